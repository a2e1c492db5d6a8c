"""Start-up checks: tables complete, every route declared."""
