-- +goose Up

CREATE TABLE push_devices ( -- how a device is reached while its app is not there
    device_id  TEXT    NOT NULL PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,        -- webpush, fcm, apns
    address    TEXT    NOT NULL,        -- JSON: see push.Address
    hash       TEXT    NOT NULL UNIQUE, -- of what the service knows the device by: it is one device's only
    show       TEXT    NOT NULL,        -- what a notification may show: all, sender, none
    mentions   INTEGER NOT NULL,        -- whether a mention in a muted chat is pushed
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX push_devices_of ON push_devices (user_id, device_id);

-- +goose StatementBegin
CREATE TRIGGER push_of_the_revoked AFTER UPDATE OF revoked_at ON devices WHEN NEW.revoked_at IS NOT NULL BEGIN
    DELETE FROM push_devices WHERE device_id = NEW.id;
END;
-- +goose StatementEnd

CREATE TABLE push_positions ( -- up to where in each shard's logs it is queued who is to be pushed what
    shard INTEGER NOT NULL PRIMARY KEY,
    seq   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE push_keys ( -- what the fabric proves itself by to push services
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE push_keys;
DROP TABLE push_positions;
DROP TRIGGER push_of_the_revoked;
DROP TABLE push_devices;
