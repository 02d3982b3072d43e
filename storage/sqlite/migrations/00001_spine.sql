-- +goose Up

CREATE TABLE fabric ( -- one row: whose database this is
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id  TEXT    NOT NULL
) STRICT;

CREATE TABLE users (
    id         TEXT    NOT NULL PRIMARY KEY, -- UUIDv7
    phone      TEXT    NOT NULL UNIQUE,      -- E.164
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL              -- all times: Unix milliseconds
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    id              TEXT    NOT NULL PRIMARY KEY, -- UUIDv7
    user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name            TEXT    NOT NULL,
    platform        TEXT    NOT NULL,
    public_key      TEXT    NOT NULL, -- '' for bearer tokens
    created_at      INTEGER NOT NULL,
    seen_at         INTEGER NOT NULL,
    revoked_at      INTEGER,
    refresh_family  BLOB    NOT NULL UNIQUE, -- hashes: see auth.RefreshToken
    refresh_once    BLOB    NOT NULL,
    refresh_spent   BLOB,                    -- the secret before refresh_once
    refresh_attempt TEXT    NOT NULL,        -- and the attempt that spent it
    refresh_expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_of_user ON devices (user_id, id) WHERE revoked_at IS NULL;

CREATE TABLE codes (
    phone      TEXT    NOT NULL PRIMARY KEY,
    hash       BLOB    NOT NULL,
    tries      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE channels (
    id         TEXT    NOT NULL PRIMARY KEY, -- <low>.<high>
    kind       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, channel_id)
) STRICT, WITHOUT ROWID;

-- The archive's tables refer to no others: the logs say which channels there are.

CREATE TABLE logs ( -- a channel with messages; its number stands for it in what there is one of a message
    num        INTEGER NOT NULL PRIMARY KEY,
    channel_id TEXT    NOT NULL UNIQUE,
    shard      INTEGER NOT NULL
) STRICT;

-- Messages lie in the order in which they were written, so that an archive that follows the logs writes pages from end
-- to end; only the index, a few bytes a message, is written into all over.
CREATE TABLE messages (
    place  INTEGER NOT NULL PRIMARY KEY, -- shard << 48 | seq
    log    INTEGER NOT NULL,
    prev   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    sender TEXT    NOT NULL,
    cid    TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    body   TEXT    NOT NULL -- JSON
) STRICT;

CREATE INDEX messages_of_log ON messages (log, place);

CREATE TABLE archived ( -- how far each shard's log is archived
    shard INTEGER NOT NULL PRIMARY KEY,
    seq   INTEGER NOT NULL
) STRICT;

-- +goose Down

DROP TABLE archived;
DROP TABLE messages;
DROP TABLE logs;
DROP TABLE members;
DROP TABLE channels;
DROP TABLE codes;
DROP TABLE devices;
DROP TABLE users;
DROP TABLE fabric;
