-- +goose Up

CREATE TABLE push_devices ( -- how a device is reached while its app is not there
    device_id  text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    user_id    text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       text             NOT NULL,        -- webpush, fcm, apns
    address    text             NOT NULL,        -- JSON: see push.Address
    hash       text COLLATE "C" NOT NULL UNIQUE, -- of what the service knows the device by: it is one device's only
    show       text             NOT NULL,        -- what a notification may show: all, sender, none
    mentions   boolean          NOT NULL,        -- whether a mention in a muted chat is pushed
    created_at bigint           NOT NULL
);

CREATE INDEX push_devices_of ON push_devices (user_id, device_id);

-- +goose StatementBegin
CREATE FUNCTION push_of_the_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM push_devices WHERE device_id = NEW.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER push_of_the_revoked AFTER UPDATE OF revoked_at ON devices FOR EACH ROW WHEN (NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION push_of_the_revoked();

CREATE TABLE push_positions ( -- up to where in each shard's logs it is queued who is to be pushed what
    shard integer NOT NULL PRIMARY KEY,
    seq   bigint  NOT NULL
);

CREATE TABLE push_keys ( -- what the fabric proves itself by to push services
    name  text COLLATE "C" NOT NULL PRIMARY KEY,
    value text             NOT NULL
);

-- +goose Down

DROP TABLE push_keys;
DROP TABLE push_positions;
DROP TRIGGER push_of_the_revoked ON devices;
DROP FUNCTION push_of_the_revoked;
DROP TABLE push_devices;
