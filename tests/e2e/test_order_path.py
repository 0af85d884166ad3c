#!/usr/bin/env python3
"""An order's way through the real appliance, and the table of answers to bad input (dataplane/client/PROTOCOL.md section 4).

    client namespace                         appliance namespace
    Session 3, Session 4, Feed  <-- veth -->  wcx-dataplane, behind it auth, journal and supervisor
"""
import struct
import time

from wcxlib import NO_SESSION, ORDER_PORT, REREQUEST_PORT, SCHEMA, Appliance, Books, Feed, Session, Tap, Witness, mold, require


def sign_on(app, tap):
    session = Session(app, 5)
    before = app.counter("establish_credentials")
    answer = session.establish(secret="not-the-secret")
    tap.ok(answer and answer[0] == "EstablishReject" and answer[1]["Code"] == "Credentials", "a wrong signature gets EstablishReject(Credentials)", answer)
    tap.ok(app.counter("establish_credentials") > before, "and is counted")
    answer = session.establish(AccessKeyID=b"DEMO-MM-6".ljust(20))
    tap.ok(answer and answer[1].get("Code") == "Credentials", "the key of another session gets Credentials", answer)
    answer = session.establish(SessionID=999)
    tap.ok(answer and answer[1].get("Code") == "Credentials", "an unknown session gets Credentials", answer)
    answer = session.establish(transport=1)
    tap.ok(answer and answer[1].get("Code") == "Credentials", "a signature for TCP gets Credentials over UDP", answer)
    time.sleep(1)  # attempts are limited per source and second
    answer = session.establish(RequestTimestamp=time.time_ns() - 60 * 10**9)
    tap.ok(answer and answer[1].get("Code") == "RequestTimestamp", "a timestamp a minute old gets RequestTimestamp", answer)
    answer = session.establish(KeepAliveInterval=1)
    tap.ok(answer and answer[1].get("Code") == "KeepAliveInterval", "a keep-alive of 1 ms gets KeepAliveInterval", answer)
    answer = session.establish(SchemaVersion=7)
    tap.ok(answer and answer[1].get("Code") == "SchemaVersion", "an unknown schema version gets SchemaVersion", answer)
    answer = session.establish()
    tap.ok(answer and answer[0] == "EstablishAck" and answer[1]["DurabilityLevel"] == "D1LocalFlush", "a good Establish is acked at D1", answer)
    ack = answer[1]
    again = session.establish(message=session.establish_bytes)
    tap.ok(again and again[0] == "EstablishAck" and again[1] == ack, "the identical Establish from the same address gets the identical ack", (ack, again))
    old = session.establish_bytes
    other = Session(app, 5)
    other.uuid = session.uuid
    answer = other.establish(message=old)
    tap.ok(answer and answer[0] == "EstablishReject" and answer[1]["Code"] in ("StaleUUID", "AlreadyEstablished"), "replayed from another address it is refused", answer)
    answer = other.establish()
    tap.ok(answer and answer[1].get("Code") == "AlreadyEstablished", "a second binding gets AlreadyEstablished", answer)
    time.sleep(1)
    answer = other.establish(Flags=4)
    tap.ok(answer and answer[0] == "EstablishAck", "with the take-over flag it is acked", answer)
    session.wait(lambda: any(n == "Terminate" for _, n, _ in session.messages) or any(n == "Terminate" for n, _ in session.unsequenced), 2)
    told = [f for _, n, f in session.messages if n == "Terminate"] + [f for n, f in session.unsequenced if n == "Terminate"]
    tap.ok(told and told[-1]["Code"] == "NewLogin", "and the first one gets Terminate(NewLogin)", told)
    answer = other.establish(Flags=0)
    tap.ok(answer and answer[0] == "EstablishAck", "a newer UUID from the very address of the live binding replaces it", answer)
    other.terminate()
    session.close()
    other.close()


def life_of_an_order(app, tap, witness):
    feed_blocks = []
    feed = Feed(app, witness, feed_blocks.append)
    maker, taker = Session(app, 3, witness), Session(app, 4, witness)
    maker.establish(Flags=0)
    taker.establish(Flags=0)
    first = maker.order("Sell", 5000, 100)
    new = maker.expect("ExecutionReport_New", ClOrdID=first)
    tap.ok(new and new["OrdStatus"] == "New" and new["LeavesQty"] == 100 and new["Price"] == 5000, "an order is acknowledged", new)
    taking = taker.order("Buy", 5000, 40, tif="IOC")
    got = taker.expect("ExecutionReport_Trade", ClOrdID=taking)
    given = maker.expect("ExecutionReport_Trade", ClOrdID=first)
    tap.ok(got and given and got["TrdMatchID"] == given["TrdMatchID"] and got["LastQty"] == given["LastQty"] == 40, "it trades, both sides with one TrdMatchID", (got, given))
    tap.ok(given and given["LastLiquidityInd"] == "AddedLiquidity" and got["LastLiquidityInd"] == "RemovedLiquidity", "maker added, taker removed liquidity")
    moved = maker.replace(first, 5001, 100)
    report = maker.expect("ExecutionReport_Replace", ClOrdID=moved)
    tap.ok(report and report["OrigClOrdID"] == first and report["Price"] == 5001 and report["LeavesQty"] == 60, "it is replaced: total quantity, what has executed counts", report)
    stale = maker.cancel(first)
    report = maker.expect("OrderCancelReject", ClOrdID=stale)
    tap.ok(report and report["CxlRejReason"] == "UnknownOrder", "its old ClOrdID is unknown then", report)
    gone = maker.cancel(moved)
    report = maker.expect("ExecutionReport_Cancel", RequestClOrdID=gone)
    tap.ok(report and report["ClOrdID"] == moved and report["CanceledQty"] == 60, "it is cancelled", report)
    killed = taker.order("Buy", 5000, 10, tif="FOK")
    report = taker.expect("ExecutionReport_Cancel", ClOrdID=killed)
    tap.ok(report and report["CancelReason"] == "TimeInForceFOK", "a FOK that finds nothing is cancelled", report)
    low = maker.order("Sell", 0, 10)
    report = maker.expect("ExecutionReport_Reject", ClOrdID=low)
    tap.ok(report and report["OrdRejReason"] == "InvalidPrice", "price 0 is rejected by the engine", report)
    twice = maker.order("Sell", 6000, 10, ClOrdID=first)
    report = maker.expect("ExecutionReport_Reject", ClOrdID=twice)
    tap.ok(report and report["OrdRejReason"] == "DuplicateOrder", "a ClOrdID used before is DuplicateOrder", report)
    resting = maker.order("Sell", 7000, 10)
    maker.expect("ExecutionReport_New", ClOrdID=resting)
    feed.settle()
    books = Books()
    names = []
    for block in feed_blocks:
        books.apply(block)
        names.append(SCHEMA.decode(block)[0])
    tap.ok(feed.next >= feed.end and {"SecurityDefinition", "AddOrder", "OrderExecuted", "DeleteOrder"} <= set(names) and not books.errors, "the feed tells all of it, from number 1",
           (names, books.errors, feed.rejects))
    shown = app.wcxctl("book", "show", "--security", 1)[0]["Book"]
    tap.ok(books.levels(1, "Sell") == shown["Asks"] == [[7000, 10, 1]] and books.levels(1, "Buy") == shown["Bids"], "the book from the feed is the book of the journal", shown)
    hold = len(maker.messages)
    numbers = [n for n, _, _ in maker.messages]
    tap.ok(numbers == list(range(numbers[0], numbers[0] + hold)), "server numbers rise by one", numbers)
    # ask again for everything: the same bytes
    maker.raw(mold(maker.mold_session, numbers[0], count=hold), REREQUEST_PORT)
    maker.wait(lambda: False, 0.5)
    feed.socks[2].sendto(mold(feed.session, 1, count=feed.next - 1), ("10.77.0.2", REREQUEST_PORT))
    before = feed.raw_count
    time.sleep(0.3)
    feed.pump()
    tap.ok(feed.raw_count - before >= feed.next - 1 and not witness.conflicts, "asked for again, every number carries the same bytes", witness.conflicts[:5])
    maker.raw(mold(maker.mold_session, numbers[-1] + 5000, count=10), REREQUEST_PORT)
    report = maker.expect_unsequenced("RetransmitReject")
    tap.ok(report and report["Code"] == "TooHigh", "numbers that do not exist get RetransmitReject(TooHigh)", report)
    maker.terminate()
    tap.ok(maker.find("Terminate", Code="Finished") is not None, "Terminate is answered")
    taker.terminate()
    for each in (maker, taker, feed):
        each.close()


def bad_input(app, tap, witness):
    session = Session(app, 6, witness)
    session.establish(Flags=0)
    good = SCHEMA.encode("NewOrderSingle", ClOrdID=1, Price=100, OrderQty=1, SecurityID=1, Account=6, Side="Buy", OrdType="Limit", TimeInForce="GTC",
                         SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0)

    def dropped(name, counter, datagram, port=ORDER_PORT):
        before, expected, messages = app.counter(counter), session.next_client, len(session.messages)
        session.raw(datagram, port)
        time.sleep(0.12)
        session.pump(0.01)
        counted = app.counter(counter) - before
        tap.ok(counted == 1 and len(session.messages) == messages, f"dropped and counted as {counter}: {name}", f"counted {counted}")
        session.next_client = expected

    own = session.mold_session
    n = session.next_client
    whole = mold(own, n, [good])
    dropped("a block longer than what is left", "rx_drop_framing", whole[:-5])
    dropped("bytes left over behind the last block", "rx_drop_framing", whole + b"12345")
    dropped("a count larger than the blocks", "rx_drop_framing", mold(own, n, [good], count=3))
    dropped("half a header", "rx_drop_framing", whole[:11])
    dropped("a block shorter than an SBE header", "rx_drop_framing", mold(own, n, [good[:5]]))
    dropped("a good block before a bad one", "rx_drop_framing", mold(own, n, [good]) [:18] + struct.pack(">H", 2) + mold(own, n, [good])[20:] + struct.pack(">H", 900) + good)
    dropped("an unknown session", "rx_drop_session", mold(b"0123456789", n, [good]))
    dropped("an order without a session", "rx_drop_unestablished", mold(NO_SESSION, 0, [good]))
    foreign = Session(app, 7)
    before = app.counter("rx_drop_session")
    foreign.raw(whole)
    time.sleep(0.12)
    tap.ok(app.counter("rx_drop_session") == before + 1, "dropped and counted as rx_drop_session: a good datagram from another address")
    foreign.close()

    def refused(name, reason, message, tag=None):
        session.unsequenced.clear()
        sequence = session.next_client
        session.send(message)
        report = session.expect_unsequenced("BusinessMessageReject", RefSeqNum=sequence)
        fine = report and report["BusinessRejectReason"] == reason and (tag is None or report["RefTagID"] == tag)
        tap.ok(fine, f"{reason}: {name}", report or session.unsequenced)

    def encode(**values):
        return SCHEMA.encode("NewOrderSingle", **dict(dict(ClOrdID=1, Price=100, OrderQty=1, SecurityID=1, Account=6, Side="Buy", OrdType="Limit", TimeInForce="GTC",
                                                           SelfMatchPreventionInst="None", ExecInst=0, MmpGroup=0), **values))
    refused("an unknown template", "UnsupportedMessageType", encode(template=77))
    refused("a message that only the server sends", "UnsupportedMessageType", encode(template=201))
    refused("a journal-only template", "UnsupportedMessageType", encode(template=406))
    refused("another schema", "InvalidSchema", encode(schema=9))
    refused("a short block", "InvalidBlockLength", struct.pack("<HHHH", 72, 101, 1, 0) + bytes(72))
    refused("a long block of version 0", "InvalidBlockLength", struct.pack("<HHHH", 96, 101, 1, 0) + bytes(96))
    refused("Side 3", "InvalidField", encode(Side=3), 54)
    refused("OrdType 0", "InvalidField", encode(OrdType=0), 40)
    refused("TimeInForce 5", "InvalidField", encode(TimeInForce=5), 59)
    refused("SelfMatchPreventionInst 200", "InvalidField", encode(SelfMatchPreventionInst=200), 2964)
    refused("an ExecInst bit outside the schema", "InvalidField", encode(ExecInst=0x8000), 18)

    for name, values, reason in (("a negative quantity", dict(OrderQty=-1), "IncorrectQuantity"), ("quantity 0", dict(OrderQty=0), "IncorrectQuantity"),
                                 ("the null price", dict(Price=None), "InvalidPrice"), ("an unknown instrument", dict(SecurityID=4000000000), "UnknownSymbol"),
                                 ("an unknown account", dict(Account=4000000000), "UnknownAccount"), ("somebody else's account", dict(Account=1), "SessionNotEntitled"),
                                 ("the highest price and quantity", dict(Price=2**63 - 1, OrderQty=2**63 - 1), None)):
        cl_ord_id = session.order(values.pop("Side", "Buy"), values.pop("Price", 100), values.pop("OrderQty", 1), security=values.pop("SecurityID", 1), **values)
        session.wait(lambda: session.find("ExecutionReport_Reject", ClOrdID=cl_ord_id) or session.find("ExecutionReport_New", ClOrdID=cl_ord_id), 3)
        report = session.find("ExecutionReport_Reject", ClOrdID=cl_ord_id)
        tap.ok(report and reason in (None, report["OrdRejReason"]), f"rejected by the engine: {name}", report or session.messages[-2:])

    # client flow: a gap is told and never applied, what is old is ignored
    gap = session.next_client
    session.send(encode(ClOrdID=session.next_id()), sequence=gap + 3)
    session.next_client = gap + 4
    report = session.expect_unsequenced("NotApplied")
    tap.ok(report and report["FromSeqNo"] == gap and report["Count"] == 3, "a gap in the client flow is answered with NotApplied", report)
    tap.ok(session.expect("ExecutionReport_New", ClOrdID=session.cl_ord_id) is not None, "and what came behind it is processed")
    messages, before = len(session.messages), app.counter("requests_stale")
    session.send(encode(ClOrdID=session.cl_ord_id), sequence=gap + 3)
    session.wait(lambda: False, 0.3)
    tap.ok(len(session.messages) == messages and app.counter("requests_stale") == before + 1, "a duplicate datagram changes nothing and is counted")
    session.send(SCHEMA.encode("SessionStatusRequest", RequestID=99))
    status = session.expect_unsequenced("SessionStatusResponse", RequestID=99)
    tap.ok(status and status["NextClientSeqNo"] == session.next_client and status["LastClOrdID"] == session.cl_ord_id and status["OpenOrders"] == 1,
           "SessionStatusResponse tells the state", status)
    session.send(encode(ClOrdID=session.next_id()), sequence=session.next_client + 70000)
    session.wait(lambda: any(n == "Terminate" for n, _ in session.unsequenced) or session.find("Terminate"), 3)
    told = [f for n, f in session.unsequenced if n == "Terminate"] + [f for _, n, f in session.messages if n == "Terminate"]
    tap.ok(told and told[-1]["Code"] == "ProtocolError", "a jump of more than 65,536 ends the session with ProtocolError", told)
    session.close()


def noise(app, tap):
    """Random datagrams to every port: nothing crashes, and the state digest is that of the journal."""
    import random
    seed = int(time.time())
    dice = random.Random(seed)
    pid = app.pid("dataplane")
    session = Session(app, 8)
    session.establish(Flags=0)
    good = [session.establish_message(), mold(session.mold_session, 1, [SCHEMA.encode("OrderCancelRequest", ClOrdID=1, OrigClOrdID=1, SecurityID=1)])]
    for _ in range(3000):
        datagram = bytearray(dice.choice(good) if dice.random() < 0.7 else dice.randbytes(dice.randrange(1, 1400)))
        for _ in range(dice.randrange(1, 4)):
            datagram[dice.randrange(len(datagram))] = dice.randrange(256)
        session.raw(bytes(datagram[:dice.randrange(1, len(datagram) + 1)]), dice.choice((ORDER_PORT, REREQUEST_PORT, 7001, 9)))
    time.sleep(0.3)
    session.close()
    tap.ok(app.pid("dataplane") == pid and pid is not None, f"3,000 random datagrams (seed {seed}) crash nothing", app.logs())


def main():
    require()
    tap = Tap()
    witness = Witness()
    with Appliance("order-path") as app:
        sign_on(app, tap)
        life_of_an_order(app, tap, witness)
        bad_input(app, tap, witness)
        noise(app, tap)
        stages = app.stages()
        counted = app.metrics()["wcx_stage_ns_count"]
        parts = [name for name in stages if name != "total"]
        tap.ok(stages["total"]["Count"] > 5 and len({row["Count"] for row in stages.values()}) == 1 and counted == 7 * stages["total"]["Count"]
               and 0 < sum(stages[name]["MeanNs"] for name in parts) <= stages["total"]["MeanNs"], "requests were followed through every stage, and /metrics has as many", stages)
        verified = app.wcxctl("journal", "verify", "--marks", app.region)
        tap.ok(verified, "journal verify: the chain is whole and the published digests are the replay's", verified)
        tap.ok(not witness.conflicts, "no number carried two contents", witness.conflicts[:5])
    tap.done()


if __name__ == "__main__":
    main()
