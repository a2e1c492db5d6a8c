"""One command a file; its docstring says what it promises."""
