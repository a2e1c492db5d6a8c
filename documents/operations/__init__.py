"""What operators look at: checks, health, gauges, the watch, the sweeper, runbooks."""
