"""Tests of the gateway against a real HTTP server and a real gRPC server."""
