-- +goose Up

ALTER TABLE logs
    ADD COLUMN disappear integer NOT NULL DEFAULT 0, -- seconds, as of what is archived of it
    ADD COLUMN last_seq  bigint  NOT NULL DEFAULT 0; -- of the newest record, messages and changes, also where it has gone since
UPDATE logs SET last_seq = head_seq;

ALTER TABLE messages
    ADD COLUMN only_sender boolean NOT NULL DEFAULT false, -- nobody else sees it
    ADD COLUMN edited_at   bigint,
    ADD COLUMN deleted_at  bigint, -- kind is 'deleted' and body {} then
    ADD COLUMN expires_at  bigint;

CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL;

-- The month of a message: what its partition is found by.
CREATE FUNCTION month_of(shard integer, seq bigint) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS
    'SELECT m.month FROM months m WHERE m.shard = $1 AND m.first_seq <= $2 ORDER BY m.first_seq DESC LIMIT 1';

CREATE TABLE changes ( -- records that change a message instead of being one: edits, deletes, reactions, pins
    log         bigint           NOT NULL, -- logs.num, as in messages
    seq         bigint           NOT NULL,
    target      bigint           NOT NULL, -- the seq of the message that it changes
    prev        bigint           NOT NULL,
    at          bigint           NOT NULL,
    sender      text COLLATE "C" NOT NULL,
    cid         text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    body        text COLLATE "C" NOT NULL, -- JSON
    only_sender boolean          NOT NULL,
    PRIMARY KEY (log, seq)
);

CREATE INDEX changes_of_target ON changes (log, target, seq);

CREATE TABLE reactions (
    log     bigint           NOT NULL,
    target  bigint           NOT NULL, -- seqs of messages
    user_id text COLLATE "C" NOT NULL,
    emoji   text COLLATE "C" NOT NULL,
    seq     bigint           NOT NULL, -- of the record
    PRIMARY KEY (log, target, user_id)
);

CREATE TABLE pins (
    log    bigint NOT NULL,
    target bigint NOT NULL,
    seq    bigint NOT NULL, -- of the record
    PRIMARY KEY (log, target)
);

CREATE TABLE stars (
    user_id text COLLATE "C" NOT NULL,
    log     bigint           NOT NULL,
    target  bigint           NOT NULL,
    at      bigint           NOT NULL,
    PRIMARY KEY (user_id, log, target)
);

CREATE INDEX stars_by_time ON stars (user_id, at, log, target);
CREATE INDEX stars_of_message ON stars (log, target);

CREATE TABLE hidden ( -- messages that a user has deleted for themselves
    user_id text COLLATE "C" NOT NULL,
    log     bigint           NOT NULL,
    target  bigint           NOT NULL,
    PRIMARY KEY (user_id, log, target)
);

CREATE INDEX hidden_of_message ON hidden (log, target);

CREATE TABLE erasures ( -- what is to be erased from the logs
    shard integer NOT NULL,
    seq   bigint  NOT NULL,
    PRIMARY KEY (shard, seq)
);

-- +goose Down

DROP TABLE erasures;
DROP TABLE hidden;
DROP TABLE stars;
DROP TABLE pins;
DROP TABLE reactions;
DROP TABLE changes;
DROP FUNCTION month_of;
DROP INDEX messages_expiring;
ALTER TABLE messages
    DROP COLUMN expires_at,
    DROP COLUMN deleted_at,
    DROP COLUMN edited_at,
    DROP COLUMN only_sender;
ALTER TABLE logs
    DROP COLUMN last_seq,
    DROP COLUMN disappear;
