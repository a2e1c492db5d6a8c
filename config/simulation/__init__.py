"""The demo, sample weeks, event streams and the crash campaign: the product as others would use and break it."""
