"""nova_lite: a private cloud that speaks OpenStack."""
