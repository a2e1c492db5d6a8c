"""The access matrix: what each role finds behind each route, typed from the product's words and asked of the product."""
