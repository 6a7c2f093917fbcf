"""The EdTech reference database: deterministic data and the application's workload."""
