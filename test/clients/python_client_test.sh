#!/usr/bin/env bash
# Runs python_client_test.py with Debian's Python, which has Debian's gRPC.
exec /usr/bin/python3 test/clients/python_client_test.py "$@"
