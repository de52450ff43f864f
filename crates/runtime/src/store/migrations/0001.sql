-- One schema for both databases. Times are nanoseconds since 1970 (UTC), durations nanoseconds, yes and
-- no are 1 and 0, money, prices and quantities exact decimals as text. Every table has beside it a view
-- <table>_utc with its times readable.

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    trader TEXT NOT NULL,
    account TEXT NOT NULL,
    number BIGINT NOT NULL,
    mode TEXT NOT NULL,
    venue TEXT NOT NULL,
    symbols TEXT NOT NULL,
    version TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    journal TEXT,
    pid BIGINT NOT NULL,
    started_ns BIGINT NOT NULL,
    ended_ns BIGINT,
    ending TEXT,
    turns BIGINT,
    fills BIGINT,
    turnover TEXT,
    realized TEXT,
    unrealized TEXT,
    fees TEXT,
    funding TEXT,
    transfers TEXT,
    pnl TEXT,
    equity TEXT,
    state_hash TEXT,
    failure TEXT
);
CREATE INDEX sessions_open ON sessions (trader, ended_ns);

CREATE TABLE orders (
    account TEXT NOT NULL,
    client_id TEXT NOT NULL,
    session TEXT NOT NULL,
    instrument TEXT NOT NULL,
    side TEXT NOT NULL,
    kind TEXT NOT NULL,
    price TEXT,
    qty TEXT NOT NULL,
    filled TEXT NOT NULL,
    reduce_only BIGINT NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT,
    reason TEXT,
    amends BIGINT NOT NULL,
    ack_latency_ns BIGINT,
    placed_ns BIGINT NOT NULL,
    acked_ns BIGINT,
    ended_ns BIGINT,
    updated_ns BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (account, client_id)
);
CREATE INDEX orders_session ON orders (session, placed_ns);

CREATE TABLE order_events (
    session TEXT NOT NULL,
    turn BIGINT NOT NULL,
    item BIGINT NOT NULL,
    at_ns BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    client_id TEXT,
    event TEXT NOT NULL,
    side TEXT,
    price TEXT,
    qty TEXT,
    trade_id BIGINT,
    detail TEXT,
    PRIMARY KEY (session, turn, item)
);
CREATE INDEX order_events_order ON order_events (client_id, at_ns);

CREATE TABLE fills (
    account TEXT NOT NULL,
    instrument TEXT NOT NULL,
    trade_id BIGINT NOT NULL,
    session TEXT NOT NULL,
    at_ns BIGINT NOT NULL,
    happened_ns BIGINT NOT NULL,
    client_id TEXT,
    venue_order_id BIGINT NOT NULL,
    side TEXT NOT NULL,
    price TEXT NOT NULL,
    qty TEXT NOT NULL,
    cumulative TEXT NOT NULL,
    value TEXT NOT NULL,
    maker BIGINT NOT NULL,
    fee TEXT NOT NULL,
    position TEXT,
    edge TEXT,
    PRIMARY KEY (account, instrument, trade_id)
);
CREATE INDEX fills_session ON fills (session, at_ns);

CREATE TABLE pnl_snapshots (
    session TEXT NOT NULL,
    at_ns BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    last BIGINT NOT NULL,
    mode TEXT NOT NULL,
    position TEXT NOT NULL,
    entry TEXT NOT NULL,
    mark TEXT,
    realized TEXT NOT NULL,
    unrealized TEXT NOT NULL,
    fees TEXT NOT NULL,
    funding TEXT NOT NULL,
    transfers TEXT NOT NULL,
    pnl TEXT NOT NULL,
    spread_capture TEXT NOT NULL,
    inventory TEXT NOT NULL,
    basis TEXT NOT NULL,
    carried TEXT NOT NULL,
    equity TEXT NOT NULL,
    peak TEXT NOT NULL,
    day_pnl TEXT NOT NULL,
    drawdown TEXT NOT NULL,
    fills BIGINT NOT NULL,
    turnover TEXT NOT NULL,
    PRIMARY KEY (session, at_ns, instrument)
);

CREATE TABLE risk_events (
    session TEXT NOT NULL,
    turn BIGINT NOT NULL,
    item BIGINT NOT NULL,
    at_ns BIGINT NOT NULL,
    instrument TEXT,
    event TEXT NOT NULL,
    was TEXT,
    becomes TEXT,
    reason TEXT,
    amount TEXT,
    PRIMARY KEY (session, turn, item)
);

CREATE TABLE alerts (
    session TEXT NOT NULL,
    turn BIGINT NOT NULL,
    item BIGINT NOT NULL,
    at_ns BIGINT NOT NULL,
    level TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (session, turn, item)
);

CREATE TABLE config_versions (
    session TEXT NOT NULL,
    number BIGINT NOT NULL,
    at_ns BIGINT NOT NULL,
    hash TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (session, number)
);

CREATE TABLE cash_flows (
    session TEXT NOT NULL,
    turn BIGINT NOT NULL,
    item BIGINT NOT NULL,
    at_ns BIGINT NOT NULL,
    account TEXT NOT NULL,
    instrument TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (session, turn, item)
);

CREATE TABLE income (
    account TEXT NOT NULL,
    told_as TEXT NOT NULL,
    venue_id BIGINT NOT NULL,
    session TEXT NOT NULL,
    at_ns BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (account, told_as, venue_id)
);

CREATE TABLE reconciliations (
    session TEXT NOT NULL,
    at_ns BIGINT NOT NULL,
    instrument TEXT NOT NULL,
    cause TEXT NOT NULL,
    agrees BIGINT,
    orders_off BIGINT,
    position_off TEXT,
    wallet_off TEXT,
    position_ours TEXT,
    position_venue TEXT,
    wallet_ours TEXT,
    wallet_venue TEXT,
    orders_ours BIGINT,
    orders_venue BIGINT,
    fills_ours BIGINT,
    fills_venue BIGINT,
    PRIMARY KEY (session, at_ns, instrument, cause)
);

-- All cash that moved besides trading, each payment once: what a session noticed, and what the venue told
-- of the time between sessions. Both may know the payment of the last second before a kill.
CREATE VIEW cash AS
    SELECT account, instrument, kind, amount, at_ns, session FROM cash_flows
    UNION ALL
    SELECT account, instrument, kind, amount, at_ns, session FROM income
    WHERE NOT EXISTS (
        SELECT 1 FROM cash_flows
        WHERE cash_flows.account = income.account
            AND cash_flows.kind = income.kind
            AND cash_flows.amount = income.amount
            AND abs(cash_flows.at_ns - income.at_ns) < 60000000000
    );
