"""Write-once storage."""
