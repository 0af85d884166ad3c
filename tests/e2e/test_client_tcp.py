#!/usr/bin/env python3
"""Order entry over TCP as a market maker has it (dataplane/client/PROTOCOL.md 3.4).

    wcx-mm --transport tcp         the C client library trades; the journal holds each acknowledged request once
    ... and the data plane killed  the same, over a restart
    one session, both transports   trade over UDP, recover over TCP: the same numbers carry the same bytes
"""
import subprocess
import time

from tcplife import TcpLife
from wcxlib import Appliance, Session, Tap, Witness, require, summary_of


def trade(app, tap, name, kill):
    maker = app.spawn(*app.mm("--transport", "tcp", "--seconds", 5, "--rate", 1500), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if kill:
        time.sleep(2)
        old = app.kill("dataplane")
        tap.ok(app.wait_pid("dataplane", old), "the data plane is back after kill -9")
    output, errors = maker.communicate(timeout=90)
    summary = summary_of(output)
    fine = maker.returncode == 0 and summary["acks"] > 500 and summary["lost"] == summary["conflicts"] == summary["wrong_fates"] == summary["undecided"] == 0
    tap.ok(fine and summary["audited"], f"wcx-mm over TCP, {name}: nothing lost, each acknowledged request in the journal once", (summary, errors.decode(errors="replace")))
    tap.ok(summary["rebinds"] >= 2 if kill else summary["rebinds"] == 0, f"{name}: links lost", summary["rebinds"])
    tap.note(f"{name}: {summary}")


def both_transports(app, tap, witness):
    """Session 5: what was said over UDP is said again over TCP under the same numbers, and the other way round."""
    udp, tcp = Session(app, 5, witness), TcpLife(app, 5, witness)
    first = udp.establish(Flags=0)[1]["NextServerSeqNo"] - 1
    orders = [udp.order("Buy", 100 + i, 10) for i in range(5)]
    udp.expect("ExecutionReport_New", ClOrdID=orders[-1])
    tcp.next = first
    ack = tcp.open()
    told = [fields["ClOrdID"] for fields in tcp.find("ExecutionReport_New")]
    tap.ok(told == orders and ack["NextServerSeqNo"] == tcp.next, "what was traded over UDP is recovered over TCP, before the EstablishAck", (told, tcp.messages, tcp.bad))
    tap.ok(ack["LastClOrdID"] == orders[-1], "LastClOrdID is the session's, whatever the transport", ack)
    more = tcp.cl_ord_id + 1
    tcp.send(tcp.order_message(more, "Buy", 200, 7))
    tap.ok(tcp.read_until("ExecutionReport_New", ClOrdID=more), "an order over TCP is answered over TCP", tcp.messages[-2:])
    tap.ok(udp.expect("ExecutionReport_New", ClOrdID=more), "and over UDP, where both bindings live", udp.messages[-2:])
    tcp.terminate()
    tap.ok(tcp.read_until("Terminate"), "Terminate over TCP is answered", tcp.uncounted)
    udp.cl_ord_id = more
    last = udp.order("Buy", 300, 1)
    tap.ok(udp.expect("ExecutionReport_New", ClOrdID=last), "and leaves the UDP binding alone", udp.messages[-2:])
    udp.terminate()
    numbers = [number for number, _, _ in udp.messages]
    tap.ok(numbers == list(range(first, first + len(numbers))) and not tcp.bad, "numbers rise by one", (numbers, tcp.bad))
    tcp.close()
    udp.close()


def main():
    require()
    tap, witness = Tap(), Witness()
    with Appliance("client-tcp") as app:
        both_transports(app, tap, witness)
        trade(app, tap, "undisturbed", False)
        trade(app, tap, "data plane killed", True)
        tap.ok(app.wcxctl("journal", "verify", "--marks", app.region), "journal verify: chain and digests")
        tap.ok(not witness.conflicts, "no number carried two contents", witness.conflicts[:5])
    tap.done()


if __name__ == "__main__":
    main()
