"""Heroku: the driver of its Platform API. The sandbox and the real one are the same code with another address."""
