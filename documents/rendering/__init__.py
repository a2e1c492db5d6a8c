"""From frozen content to the bytes of a PDF, in a child process with limits."""
