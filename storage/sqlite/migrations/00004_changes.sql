-- +goose Up

ALTER TABLE logs ADD COLUMN disappear INTEGER NOT NULL DEFAULT 0; -- seconds, as of what is archived of it
ALTER TABLE logs ADD COLUMN head INTEGER NOT NULL DEFAULT 0;      -- the newest place of what has disappeared from it

ALTER TABLE messages ADD COLUMN only_sender INTEGER NOT NULL DEFAULT 0; -- nobody else sees it
ALTER TABLE messages ADD COLUMN edited_at INTEGER;
ALTER TABLE messages ADD COLUMN deleted_at INTEGER; -- kind is 'deleted' and body {} then
ALTER TABLE messages ADD COLUMN expires_at INTEGER;

CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE changes ( -- records that change a message instead of being one: edits, deletes, reactions, pins
    place       INTEGER NOT NULL PRIMARY KEY, -- shard << 48 | seq, as in messages
    log         INTEGER NOT NULL,
    target      INTEGER NOT NULL,             -- the place of the message that it changes
    prev        INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    sender      TEXT    NOT NULL,
    cid         TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    body        TEXT    NOT NULL, -- JSON
    only_sender INTEGER NOT NULL
) STRICT;

CREATE INDEX changes_of_log ON changes (log, place);
CREATE INDEX changes_of_target ON changes (target, place);

CREATE TABLE reactions (
    target  INTEGER NOT NULL, -- places of messages
    user_id TEXT    NOT NULL,
    emoji   TEXT    NOT NULL,
    place   INTEGER NOT NULL, -- of the record
    PRIMARY KEY (target, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pins (
    log    INTEGER NOT NULL,
    target INTEGER NOT NULL,
    place  INTEGER NOT NULL, -- of the record
    PRIMARY KEY (log, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE stars (
    user_id TEXT    NOT NULL,
    target  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX stars_by_time ON stars (user_id, at, target);
CREATE INDEX stars_of_message ON stars (target);

CREATE TABLE hidden ( -- messages that a user has deleted for themselves
    user_id TEXT    NOT NULL,
    target  INTEGER NOT NULL,
    PRIMARY KEY (user_id, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX hidden_of_message ON hidden (target);

CREATE TABLE erasures ( -- what is to be erased from the logs
    place INTEGER NOT NULL PRIMARY KEY
) STRICT;

-- +goose Down

INSERT INTO messages (place, log, prev, at, sender, cid, kind, body)
    SELECT place, log, prev, at, sender, cid, kind, body FROM changes;
DROP TABLE erasures;
DROP TABLE hidden;
DROP TABLE stars;
DROP TABLE pins;
DROP TABLE reactions;
DROP TABLE changes;
DROP INDEX messages_expiring;
ALTER TABLE messages DROP COLUMN expires_at;
ALTER TABLE messages DROP COLUMN deleted_at;
ALTER TABLE messages DROP COLUMN edited_at;
ALTER TABLE messages DROP COLUMN only_sender;
ALTER TABLE logs DROP COLUMN head;
ALTER TABLE logs DROP COLUMN disappear;
