"""Helpers of the client tests: the server under test, the programs that talk to it, and an upstream that misbehaves on demand."""
