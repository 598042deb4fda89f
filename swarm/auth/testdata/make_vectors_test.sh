#!/bin/sh
# The vectors are what the model makes.
exec python3 "$1/make_vectors.py" --check "$1/auth_vectors.txt"
