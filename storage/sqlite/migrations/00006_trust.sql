-- +goose Up

ALTER TABLE users ADD COLUMN service TEXT NOT NULL DEFAULT ''; -- the internal service whose account it is; phone is no phone then

CREATE TABLE services ( -- internal services: they write to users over NATS
    name       TEXT    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL UNIQUE REFERENCES users (id),
    may_users  INTEGER NOT NULL, -- whether it writes to users, and to groups
    may_groups INTEGER NOT NULL,
    rate       REAL    NOT NULL, -- messages a second
    credential TEXT    NOT NULL, -- the public user key of its credentials
    webhook    TEXT    NOT NULL, -- where what it is written is posted; '' for a service that reads it from NATS
    secret     TEXT    NOT NULL, -- that signs what is posted
    created_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE service_sends ( -- what services have sent lately: the same cid again is the same message
    user_id TEXT    NOT NULL,
    cid     TEXT    NOT NULL,
    channel TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, cid)
) STRICT, WITHOUT ROWID;

CREATE INDEX service_sends_at ON service_sends (at);

CREATE TABLE taken ( -- how often something was done lately, counted by all processes together
    key    TEXT    NOT NULL,
    period INTEGER NOT NULL, -- since when, Unix milliseconds
    n      INTEGER NOT NULL,
    PRIMARY KEY (key, period)
) STRICT, WITHOUT ROWID;

CREATE INDEX taken_period ON taken (period);

CREATE TABLE identities ( -- people as an organisation's issuer knows them (OpenID Connect)
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX identities_of ON identities (user_id);

-- +goose Down

DROP TABLE identities;
DROP TABLE taken;
DROP TABLE service_sends;
DROP TABLE services;
ALTER TABLE users DROP COLUMN service;
