"""How disks go from host to host: a door that gives them away, and the fetching of them."""
