"""The local platform: small and honest, on loopback.

One process serves the Platform API, runs the apps' real processes and routes to them. What it remembers
is in one folder and survives a restart and a `kill -9`. It listens on 127.0.0.1 only and asks every API
caller for its key. Everything outside talks to it through `control` and through HTTP.
"""
