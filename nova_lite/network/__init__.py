"""Networks, subnets, ports: records and rules."""
