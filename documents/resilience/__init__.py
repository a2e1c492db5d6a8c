"""Everything outside this process: limits, breakers, queue, leases, clock."""
