#!/usr/bin/env python3
"""The TCP link is cut after every byte, either way, of a login, a message and its answer (dataplane/client/PROTOCOL.md 3.4 and 3.5). The session recovers each time:

    the next login goes on with the first number that is not here: no number is missing, none carries two contents
    the order is in the journal and in the book exactly once, whether it had left whole, in part or not at all
    a part of an order is never applied
"""
import time

from tcplife import Cut, TcpLife
from wcxlib import Appliance, Tap, Witness, require

SESSION = 7
PRICE = 4000


class Table:
    def __init__(self, app, witness):
        self.app, self.witness = app, witness
        self.life = TcpLife(app, SESSION, witness)
        self.rows, self.wrong, self.acked_by_then, self.applied_unheard, self.sent_again = 0, [], 0, 0, 0

    def check(self, condition, *what):
        if not condition:
            self.wrong.append(what)

    def row(self, **limits):
        """One cut and its recovery. True when the dialogue was over before the cut."""
        life, start, whole = self.life, time.monotonic(), False
        cl_ord_id, first = life.cl_ord_id + 1, life.next
        message = life.order_message(cl_ord_id, "Buy", PRICE, 10)
        before = None
        try:
            life.open(reset=self.rows % 2 == 1, **limits)
            before = life.link.sent
            life.send(message)
            over = life.read_until("ExecutionReport_New", ClOrdID=cl_ord_id) is not None
            self.check(over, limits, "no answer on a link that stands")
            life.link.close()
        except Cut:
            over = False
        link = life.link
        whole = before is not None and link.sent == before + 3 + len(message)
        ack = self.recover(limits)
        if ack is None:
            return over
        applied = ack["LastClOrdID"] == cl_ord_id
        self.check(applied or ack["LastClOrdID"] == cl_ord_id - 1, limits, "LastClOrdID", ack, cl_ord_id)
        self.check(whole or not applied, limits, "a part of an order was applied", link.sent, before)
        answers = len(life.find("ExecutionReport_New", ClOrdID=cl_ord_id))
        self.check(answers == applied, limits, "applied", applied, "answers", answers)
        self.acked_by_then += over
        self.applied_unheard += applied and not over
        if not applied:
            self.sent_again += 1
            life.send(message)
            self.check(life.read_until("ExecutionReport_New", ClOrdID=cl_ord_id), limits, "sent again, not answered")
            life.cl_ord_id = cl_ord_id
        self.check(first is None or life.next > first, limits, "numbers do not go on")
        life.link.close()
        self.rows += 1
        self.check(time.monotonic() - start < 20, limits, "took", time.monotonic() - start)
        return over

    def recover(self, limits):
        """Log in until it works, as a client would."""
        for _ in range(40):
            try:
                return self.life.open()
            except (Cut, OSError, RuntimeError) as error:
                last = repr(error)
                time.sleep(0.1)
        self.check(False, limits, "no login after the cut", last)
        return None


def main():
    require()
    tap, witness = Tap(), Witness()
    with Appliance("link-cut") as app:
        table = Table(app, witness)
        table.recover("first")
        table.life.link.close()
        for name, limit in (("sent", "out_max"), ("received", "in_max")):
            at, over, bad = 0, False, len(table.wrong)
            while not over and len(table.wrong) < 5:
                at += 1
                over = table.row(**{limit: at})
            tap.ok(len(table.wrong) == bad and at > 230, f"cut after each of {at} bytes {name}: the session recovers", (at, table.wrong[:5], table.life.bad[:5]))
        tap.note(f"{table.rows} cuts: {table.sent_again} orders sent again, {table.applied_unheard} applied before the cut and told after it, {table.acked_by_then} whole")
        tap.ok(table.sent_again > 100 and table.applied_unheard > 50, "cuts before and after the order was applied were among them")
        check_history(app, tap, table, witness)
        table.life.close()
    tap.done()


def check_history(app, tap, table, witness):
    life = table.life
    numbers = [number for number, _, _ in life.messages]
    tap.ok(numbers == list(range(numbers[0], numbers[0] + len(numbers))) and not life.bad, "every number came once, in order", life.bad[:5])
    tap.ok(not witness.conflicts, "no number carried two contents", witness.conflicts[:5])
    lines = app.wcxctl("journal", "dump")
    orders = [line["NewOrderSingle"]["ClOrdID"] for line in lines if "NewOrderSingle" in line and line["SessionID"] == SESSION]
    told = [fields["ClOrdID"] for fields in life.find("ExecutionReport_New")]
    tap.ok(orders == told == list(range(orders[0], orders[0] + table.rows)), "each order is in the journal once, and told once", (len(orders), len(told), table.rows))
    shown = app.wcxctl("book", "show", "--security", 1)[0]["Book"]
    tap.ok(shown["Bids"] == [[PRICE, 10 * table.rows, table.rows]], "and in the book once", (shown, table.rows))
    tap.ok(app.wcxctl("journal", "verify", "--marks", app.region), "journal verify: chain and digests")


if __name__ == "__main__":
    main()
