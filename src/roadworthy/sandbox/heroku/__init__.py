"""A small Heroku on loopback: its API, slugs, releases and dynos, on top of `processes`."""
