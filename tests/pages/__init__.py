"""Every page of the panel, of secure links and of signing in: looked at as a phone shows it, in both languages and schemes."""
