"""The fault campaign: a private stack behind a proxy of ours, every dependency failing in every way."""
