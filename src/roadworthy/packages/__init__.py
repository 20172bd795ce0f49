"""What is deployed: built once per commit, immutable, named by digest."""
