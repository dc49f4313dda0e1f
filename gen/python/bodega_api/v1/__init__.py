"""Package bodega.v1. Do not edit: run `make gen`."""
