-- +goose Up

ALTER TABLE users ADD COLUMN about TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN avatar TEXT NOT NULL DEFAULT '';          -- the picture's SHA-256 in hex
ALTER TABLE users ADD COLUMN show_seen TEXT NOT NULL DEFAULT 'all';    -- who sees last seen and presence: all, contacts, none
ALTER TABLE users ADD COLUMN show_read INTEGER NOT NULL DEFAULT 1;     -- whether the other one of a direct chat sees what was read
ALTER TABLE users ADD COLUMN may_group TEXT NOT NULL DEFAULT 'all';    -- who adds one to groups: all, contacts, none
ALTER TABLE users ADD COLUMN deleted_at INTEGER;                       -- the account is gone; phone is no phone then

CREATE TABLE blocks (
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE, -- has blocked
    blocked_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX blocks_of ON blocks (blocked_id);

CREATE TABLE contacts (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, -- has in their contacts
    contact_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, contact_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX contacts_of ON contacts (contact_id, user_id);

CREATE INDEX devices_of_whom ON devices (user_id); -- revoked ones, too: of an account that ends

-- +goose Down

DROP INDEX devices_of_whom;
DROP TABLE contacts;
DROP TABLE blocks;
ALTER TABLE users DROP COLUMN deleted_at;
ALTER TABLE users DROP COLUMN may_group;
ALTER TABLE users DROP COLUMN show_read;
ALTER TABLE users DROP COLUMN show_seen;
ALTER TABLE users DROP COLUMN avatar;
ALTER TABLE users DROP COLUMN about;
