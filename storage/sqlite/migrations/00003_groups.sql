-- +goose Up

CREATE TABLE groups (
    channel_id TEXT    NOT NULL PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE, -- g.<group id>
    name       TEXT    NOT NULL,
    about      TEXT    NOT NULL,
    avatar     TEXT    NOT NULL,
    created_by TEXT    NOT NULL,
    cid        TEXT,                -- the creator's, by which making it again is known
    send       TEXT    NOT NULL,    -- settings: see fabric.Settings
    change     TEXT    NOT NULL,
    history    TEXT    NOT NULL,
    entry      TEXT    NOT NULL,
    members    INTEGER NOT NULL,    -- how many there are
    UNIQUE (created_by, cid)
) STRICT, WITHOUT ROWID;

ALTER TABLE channels ADD COLUMN disappear INTEGER NOT NULL DEFAULT 0; -- seconds after which messages do, 0 for never

-- A member is one from the record from_seq of the channel's log on: 0 in a direct chat; NULL until the record is there.
ALTER TABLE members ADD COLUMN rank INTEGER; -- in a group: 0 owner, 1 admin, 2 member
ALTER TABLE members ADD COLUMN from_seq INTEGER DEFAULT 0;
ALTER TABLE members ADD COLUMN joined_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN muted_until INTEGER NOT NULL DEFAULT 0; -- -1: for ever
ALTER TABLE members ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN marked_unread INTEGER NOT NULL DEFAULT 0;

CREATE INDEX members_of_group ON members (channel_id, user_id) WHERE rank IS NOT NULL;
CREATE INDEX members_by_rank ON members (channel_id, rank, joined_at, user_id) WHERE rank IS NOT NULL;

CREATE TABLE past_members ( -- who was a member from a record of the log up to another, both included
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    event      TEXT NOT NULL,    -- the cid of the record that ended it
    from_seq   INTEGER,          -- NULL until the records are there
    upto_seq   INTEGER,
    PRIMARY KEY (user_id, channel_id, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    code       TEXT    NOT NULL PRIMARY KEY,
    channel_id TEXT    NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, -- 0: it does not
    uses       INTEGER NOT NULL, -- 0: any number
    used       INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX invites_of_group ON invites (channel_id, created_at) WHERE revoked_at IS NULL;

CREATE TABLE outbox ( -- records that the relay is to append to channels' logs, in this order
    num        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    cid        TEXT    NOT NULL UNIQUE, -- of the record: what it is known by in the log
    channel_id TEXT    NOT NULL,
    after_seq  INTEGER NOT NULL,        -- the record is not in the log up to here
    sender     TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    body       TEXT    NOT NULL,        -- JSON
    told       TEXT    NOT NULL         -- JSON: the users whose self channels get a record of it afterwards, and which
) STRICT;

CREATE TABLE leases ( -- what only one process may do at a time
    name   TEXT    NOT NULL PRIMARY KEY,
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE leases;
DROP TABLE outbox;
DROP TABLE invites;
DROP TABLE past_members;
DELETE FROM channels WHERE kind <> 'direct';
DROP INDEX members_by_rank;
DROP INDEX members_of_group;
ALTER TABLE members DROP COLUMN marked_unread;
ALTER TABLE members DROP COLUMN pinned;
ALTER TABLE members DROP COLUMN archived;
ALTER TABLE members DROP COLUMN muted_until;
ALTER TABLE members DROP COLUMN joined_at;
ALTER TABLE members DROP COLUMN from_seq;
ALTER TABLE members DROP COLUMN rank;
ALTER TABLE channels DROP COLUMN disappear;
DROP TABLE groups;
