"""The register of scenarios and how one is run."""

import importlib
import pkgutil
import traceback

import client
import trace
import wire

SCENARIOS = {}


def scenario(name, slow=False):
    """Registers `function(session)` under `name` (subject/what)."""
    def register(function):
        if name in SCENARIOS:
            raise KeyError(f"two scenarios are called {name}")
        SCENARIOS[name] = function
        function.slow = slow
        return function
    return register


def load():
    import scenarios
    for module in sorted(pkgutil.iter_modules(scenarios.__path__), key=lambda found: found.name):
        importlib.import_module(f"scenarios.{module.name}")
    return SCENARIOS


def run(name, broker, prefix):
    """The trace of one scenario against one broker."""
    session = client.Session(broker, prefix)
    try:
        SCENARIOS[name](session)
    except client.Gone as gone:
        session.trace.add(f"# stops here: {gone}")
    except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        session.trace.add(f"# stops here: {type(error).__name__}: {error} ({where.name}:{where.lineno})")
    try:
        session.finish()
    except (OSError, LookupError, ValueError) as error:
        session.trace.add(f"# at the end: {type(error).__name__}: {error}")
    clean(broker, session.trace.declared)
    session.api.clean()
    return session.trace.lines


def clean(broker, declared):
    """Deletes whatever the scenario declared and didn't delete."""
    queues, exchanges = declared
    if not queues and not exchanges:
        return
    quiet = trace.Trace("")
    try:
        connection = client.Connection(quiet, "clean", (broker.host, broker.port)).handshake()
        channel = connection.channel()
        for queue in sorted(queues):
            if not channel.open:
                channel = connection.channel()
            channel.call("queue.delete", quiet=True, queue=queue)
        for exchange in sorted(exchanges):
            if not channel.open:
                channel = connection.channel()
            channel.call("exchange.delete", quiet=True, exchange=exchange)
        connection.close()
    except (client.Gone, OSError):
        pass


__all__ = ["SCENARIOS", "load", "run", "scenario", "wire"]
