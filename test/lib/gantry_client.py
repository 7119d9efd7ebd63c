"""A client of CRI that outlives servers."""

import time

import grpc

from gantry_server import DEADLINE, stubs


class Interrupted(Exception):
    """The connection was lost, or nobody served: it is not known whether the
    call was carried out."""


class Client:
    """One connection of its own, which finds the next server by itself. Thread
    safety: as grpc's."""

    def __init__(self, socket):
        # Not shared, soon tried again, and each call sent once.
        self.channel = grpc.insecure_channel(
            "unix:" + socket,
            options=[("grpc.use_local_subchannel_pool", 1),
                     ("grpc.initial_reconnect_backoff_ms", 50),
                     ("grpc.min_reconnect_backoff_ms", 50),
                     ("grpc.max_reconnect_backoff_ms", 100),
                     ("grpc.enable_retries", 0)])
        self.runtime = stubs().api_grpc.RuntimeServiceStub(self.channel)

    def close(self):
        self.channel.close()

    def once(self, verb, **fields):
        """Calls VERB with a VERBRequest of these fields; waits for a server,
        but not for a second one."""
        request = getattr(stubs().api, verb + "Request")(**fields)
        try:
            return getattr(self.runtime, verb)(request, timeout=DEADLINE,
                                               wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise AssertionError(f"{verb}: {error.code()}: "
                                     f"{error.details()}") from None
            raise Interrupted(error.details()) from None

    def until_answered(self, verb, **fields):
        """Repeats the same request until a server lives long enough."""
        while True:
            try:
                return self.once(verb, **fields)
            except Interrupted:
                time.sleep(0.02)

    def serves(self):
        """What grpc.health.v1 says of the whole server."""
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        # HealthCheckResponse.status (1): SERVING (1).
        return check(b"", timeout=DEADLINE) == b"\x08\x01"
