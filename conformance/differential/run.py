"""The differential run: every scenario against RabbitMQ and against warren."""

import argparse
import concurrent.futures
import difflib
import fnmatch
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import allowed
import brokers
import scenario

WORKERS = 16


def arguments():
    parser = argparse.ArgumentParser(prog="conformance/differential/run", description=__doc__)
    parser.add_argument("--warren", default=str(brokers.ROOT / "target/release/warren"), metavar="PROGRAM")
    parser.add_argument("--only", action="append", metavar="NAME", help="a scenario, or a pattern such as 'queue/*'")
    parser.add_argument("--a", metavar="ADDR:PORT", help="a running peer, in place of a RabbitMQ of this run")
    parser.add_argument("--b", metavar="ADDR:PORT", help="a running warren, in place of one of this run")
    parser.add_argument("--self", action="store_true", help="RabbitMQ against itself: must show no difference")
    parser.add_argument("--peer-only", action="store_true", help="print RabbitMQ's traces")
    parser.add_argument("--warren-only", action="store_true", help="print warren's traces")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios")
    parser.add_argument("--write-differences", action="store_true", help="write DIFFERENCES.md from allowed.toml")
    return parser.parse_args()


def chosen(options):
    names = list(scenario.load())
    if options.only:
        names = [name for name in names if any(fnmatch.fnmatch(name, one) for one in options.only)]
        if not names:
            raise SystemExit("no scenario has that name")
    # The slow ones first, so that they overlap with all the others.
    return sorted(names, key=lambda name: not scenario.SCENARIOS[name].slow)


def open_brokers(options):
    """(peer or None, warren or None), as far as the options need them."""
    peer = warren = None
    if not (options.self or options.peer_only):
        warren = (brokers.Broker("warren", *brokers.split_address(options.b)) if options.b
                  else brokers.start_warren(options.warren))
    try:
        if not options.warren_only:
            peer = (brokers.Broker("rabbitmq", *brokers.split_address(options.a)) if options.a
                    else brokers.start_rabbitmq())
    except BaseException:
        if warren:
            warren.stop()
        raise
    if options.self:
        warren = brokers.Broker("rabbitmq again", peer.host, peer.port, peer.api_port)
    return peer, warren


def run_all(names, targets):
    """name -> list of traces, one a target, in the order of the names."""
    stamp = f"{os.getpid():x}{int(time.time()) & 0xFFFF:04x}"
    traces = {name: [None] * len(targets) for name in names}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        jobs = {}
        for number, name in enumerate(names):
            for which, target in enumerate(targets):
                prefix = f"dx{stamp}{which}{number:03d}."
                jobs[pool.submit(scenario.run, name, target, prefix)] = (name, which)
        for job in concurrent.futures.as_completed(jobs):
            name, which = jobs[job]
            traces[name][which] = job.result()
    return dict(sorted(traces.items()))


def hunks(left, right):
    """Where two traces differ: pairs of lines, each side perhaps several."""
    found = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if b - a == d - c:
            found += list(zip(left[a:b], right[c:d]))
        else:
            found.append(("\n".join(left[a:b]), "\n".join(right[c:d])))
    return found


def compare(traces, decided, check_stale):
    """Prints the differences; returns (passed, failed)."""
    passed = failed = 0
    used = set()
    for name, (left, right) in traces.items():
        unlisted = []
        for pair in hunks(left, right):
            entry = allowed.match(decided, name, *pair)
            if entry is None:
                unlisted.append(pair)
            else:
                used.add(entry)
        if not unlisted:
            passed += 1
            continue
        failed += 1
        print(f"\n{name}")
        print("\n".join(difflib.unified_diff(left, right, "rabbitmq", "warren", n=4, lineterm="")))
    for entry in decided if check_stale else []:
        if entry not in used:
            failed += 1
            print(f"\nstale: {entry.scenario} no longer shows this difference; take it out of allowed.toml:")
            print(f"  rabbitmq: {entry.rabbitmq}\n  warren:   {entry.warren}")
    return passed, failed


def main():
    options = arguments()
    if options.list:
        print("\n".join(sorted(scenario.load())))
        return 0
    decided = allowed.load()
    if options.write_differences:
        allowed.PAGE.write_text(allowed.page(decided))
        return 0
    names = chosen(options)
    try:
        peer, warren = open_brokers(options)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    targets = [broker for broker in (peer, warren) if broker]
    started = time.monotonic()
    try:
        traces = run_all(names, targets)
    finally:
        for broker in targets:
            broker.stop()
    if len(targets) == 1:
        for name, (lines,) in traces.items():
            print(f"\n{name}\n  " + "\n  ".join(lines))
        print(f"\n{len(traces)} scenarios in {time.monotonic() - started:.0f} s")
        return 0
    passed, failed = compare(traces, [] if options.self else decided, not options.self and not options.only)
    if not options.self and not options.only and allowed.PAGE.read_text() != allowed.page(decided):
        failed += 1
        print("\nconformance/DIFFERENCES.md is not what allowed.toml says; run with --write-differences")
    print(f"\n{len(traces)} scenarios in {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
