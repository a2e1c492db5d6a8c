"""Who may do what: roles, scope, routes, actors, and the pages that say no."""
