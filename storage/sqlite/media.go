package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media"
)

const (
	mediaFields = `f.id, f.user_id, f.channel_id, f.name, f.sha256, f.created_at,
		o.blob, o.size, o.type, o.state, o.width, o.height, o.preview, coalesce(o.thumb, ''), o.thumb_size
		FROM media f CROSS JOIN objects o ON o.sha256 = f.sha256`
	queryMedia = `SELECT ` + mediaFields + ` WHERE f.id = ?1`

	// ?1 is the file, ?2 the user, ?3 now. What names it must be seen by the user: as mayBeSeen says, from the record on that
	// made them a member.
	queryReadable = queryMedia + ` AND (f.sent = 0 AND f.user_id = ?2 OR EXISTS (SELECT 1 FROM media_refs r
		CROSS JOIN messages m ON m.place = r.place CROSS JOIN logs l ON l.num = m.log
		CROSS JOIN members u ON u.user_id = ?2 AND u.channel_id = l.channel_id AND u.from_seq IS NOT NULL
		LEFT JOIN groups g ON g.channel_id = l.channel_id
		WHERE r.media = f.id AND (m.place >= ` + base + ` + u.from_seq OR g.history = 'all')` + mayBeSeen + `))`

	// ?1, ?2 and ?3 are times: idle before, unsent before, now.
	queryIdleMedia = `SELECT f.id FROM media f WHERE f.idle_at < ?1 AND (f.sent = 1 OR f.idle_at < ?2)
		AND NOT EXISTS (SELECT 1 FROM media_holds h WHERE h.media = f.id AND h.until > ?3) ORDER BY f.idle_at LIMIT ?4`

	queryKnownBlobs = `SELECT j.value FROM json_each(?1) j WHERE EXISTS (SELECT 1 FROM objects o WHERE o.blob = j.value)
		OR EXISTS (SELECT 1 FROM objects o WHERE o.thumb = j.value) OR EXISTS (SELECT 1 FROM media_erasures e WHERE e.blob = j.value)`
)

type filed struct {
	file   media.File
	object media.Object
}

func scanMedia(r scanner) (x filed, err error) {
	f, o := &x.file, &x.object
	err = r.Scan(&f.ID, &f.User, &f.Channel, &f.Name, &f.SHA256, &f.CreatedAt,
		&o.Blob, &o.Size, &o.Type, &o.State, &o.Width, &o.Height, &o.Preview, &o.Thumb, &o.ThumbSize)
	o.SHA256 = f.SHA256
	return x, err
}

func noMedia(id fabric.MediaID) error {
	return fabric.Errorf(fabric.CodeNotFound, "there is no file %s", id)
}

// Media implements media.Store.
func (s *DB) Media(ctx context.Context, id fabric.MediaID) (media.File, media.Object, error) {
	return s.oneMedia(ctx, id, queryMedia, string(id))
}

// Readable implements media.Store.
func (s *DB) Readable(ctx context.Context, u fabric.UserID, id fabric.MediaID, now int64) (media.File, media.Object, error) {
	return s.oneMedia(ctx, id, queryReadable, string(id), string(u), now)
}

func (s *DB) oneMedia(ctx context.Context, id fabric.MediaID, query string, args ...any) (media.File, media.Object, error) {
	found, err := rows(ctx, s, query, func(r *sql.Rows) (filed, error) { return scanMedia(r) }, args...)
	if err != nil {
		return media.File{}, media.Object{}, err
	}
	if len(found) == 0 {
		return media.File{}, media.Object{}, noMedia(id)
	}
	return found[0].file, found[0].object, nil
}

// AddMedia implements media.Store.
func (s *DB) AddMedia(ctx context.Context, f media.File, o media.Object) (media.File, media.Object, error) {
	var got filed
	err := s.write.do(ctx, func(t tx) error {
		known, err := scanMedia(t.QueryRowContext(ctx, queryMedia, string(f.ID)))
		if got = known; err == nil {
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look for file: %w", err)
		}
		n, err := t.exec(ctx, `INSERT INTO objects (sha256, blob, size, type, state, width, height, preview, thumb, thumb_size)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?) ON CONFLICT (sha256) DO NOTHING`,
			o.SHA256, string(o.Blob), o.Size, o.Type, o.State, o.Width, o.Height, o.Preview, string(o.Thumb), o.ThumbSize)
		if err != nil {
			return err
		}
		if n == 0 {
			for _, blob := range []fabric.MediaID{o.Blob, o.Thumb} {
				if err := eraseBlob(ctx, t, blob); err != nil {
					return err
				}
			}
		}
		if _, err := t.exec(ctx, `INSERT INTO media (id, sha256, user_id, channel_id, name, created_at, idle_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)`,
			string(f.ID), o.SHA256, string(f.User), string(f.Channel), f.Name, f.CreatedAt); err != nil {
			return err
		}
		got, err = scanMedia(t.QueryRowContext(ctx, queryMedia, string(f.ID)))
		return err
	})
	return got.file, got.object, err
}

func eraseBlob(ctx context.Context, t tx, blob fabric.MediaID) error {
	if blob == "" {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO media_erasures (blob) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM objects WHERE blob = ?1 OR thumb = ?1)
		ON CONFLICT DO NOTHING`, string(blob))
	return err
}

// Hold implements media.Store.
func (s *DB) Hold(ctx context.Context, h media.Hold) error {
	return s.write.do(ctx, func(t tx) error {
		n, err := t.exec(ctx, `INSERT INTO media_holds (media, user_id, cid, until) SELECT id, ?2, ?3, ?4 FROM media WHERE id = ?1
			ON CONFLICT (media, user_id, cid) DO UPDATE SET until = max(until, excluded.until)`, string(h.Media), string(h.User), h.CID, h.Until)
		if err == nil && n == 0 {
			err = noMedia(h.Media)
		}
		return err
	})
}

// Held implements media.Store.
func (s *DB) Held(ctx context.Context, id fabric.MediaID, now int64) (bool, error) {
	n, err := rows(ctx, s, `SELECT count(*) FROM media_holds WHERE media = ? AND until > ?`, scanCount, string(id), now)
	return err == nil && n[0] > 0, err
}

func scanMediaID(r *sql.Rows) (id fabric.MediaID, err error) {
	err = r.Scan(&id)
	return id, err
}

// IdleMedia implements media.Store.
func (s *DB) IdleMedia(ctx context.Context, before, unsent, now int64, limit int) ([]fabric.MediaID, error) {
	return rows(ctx, s, queryIdleMedia, scanMediaID, before, unsent, now, limit)
}

// RemoveMedia implements media.Store.
func (s *DB) RemoveMedia(ctx context.Context, ids []fabric.MediaID, now int64) (removed int, err error) {
	err = s.write.do(ctx, func(t tx) error {
		removed = 0
		if _, err := t.exec(ctx, `DELETE FROM media_holds WHERE until <= ?`, now); err != nil {
			return err
		}
		for _, id := range ids {
			var content string
			err := t.QueryRowContext(ctx, `DELETE FROM media WHERE id = ?1 AND idle_at IS NOT NULL
				AND NOT EXISTS (SELECT 1 FROM media_refs WHERE media = ?1) AND NOT EXISTS (SELECT 1 FROM media_holds WHERE media = ?1)
				RETURNING sha256`, string(id)).Scan(&content)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return fmt.Errorf("remove file: %w", err)
			}
			removed++
			var blob, thumb fabric.MediaID
			err = t.QueryRowContext(ctx, `DELETE FROM objects WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM media WHERE sha256 = ?1)
				RETURNING blob, coalesce(thumb, '')`, content).Scan(&blob, &thumb)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return fmt.Errorf("remove content: %w", err)
			}
			for _, blob := range []fabric.MediaID{blob, thumb} {
				if err := eraseBlob(ctx, t, blob); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return removed, err
}

// MediaErasures implements media.Store.
func (s *DB) MediaErasures(ctx context.Context, limit int) ([]fabric.MediaID, error) {
	return rows(ctx, s, `SELECT blob FROM media_erasures ORDER BY blob LIMIT ?`, scanMediaID, limit)
}

// MediaErased implements media.Store.
func (s *DB) MediaErased(ctx context.Context, blobs []fabric.MediaID) error {
	return s.write.do(ctx, func(t tx) error {
		for _, blob := range blobs {
			if _, err := t.exec(ctx, `DELETE FROM media_erasures WHERE blob = ?`, string(blob)); err != nil {
				return err
			}
		}
		return nil
	})
}

// KnownBlobs implements media.Store.
func (s *DB) KnownBlobs(ctx context.Context, blobs []fabric.MediaID) ([]fabric.MediaID, error) {
	list, err := json.Marshal(blobs)
	if err != nil {
		return nil, fmt.Errorf("known blobs: %w", err)
	}
	return rows(ctx, s, queryKnownBlobs, scanMediaID, string(list))
}

// SpendMedia implements media.Store.
func (s *DB) SpendMedia(ctx context.Context, u fabric.UserID, day, bytes, most int64) (ok bool, err error) {
	err = s.write.do(ctx, func(t tx) error {
		if _, err := t.exec(ctx, `DELETE FROM media_spent WHERE user_id = ? AND day < ?`, string(u), day); err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO media_spent (user_id, day, bytes) SELECT ?1, ?2, ?3 WHERE ?3 <= ?4
			ON CONFLICT (user_id, day) DO UPDATE SET bytes = bytes + excluded.bytes WHERE bytes + excluded.bytes <= ?4`, string(u), day, bytes, most)
		ok = n > 0
		return err
	})
	return ok, err
}

// LinkKeys implements media.Store.
func (s *DB) LinkKeys(ctx context.Context) ([]media.LinkKey, error) {
	return rows(ctx, s, `SELECT key, created_at FROM media_keys ORDER BY created_at DESC`, func(r *sql.Rows) (k media.LinkKey, err error) {
		err = r.Scan(&k.Key, &k.CreatedAt)
		return k, err
	})
}

// AddLinkKey implements media.Store.
func (s *DB) AddLinkKey(ctx context.Context, k media.LinkKey, before, forget int64) error {
	return s.write.do(ctx, func(t tx) error {
		if _, err := t.exec(ctx, `DELETE FROM media_keys WHERE created_at < ?`, forget); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO media_keys (created_at, key) SELECT ?1, ?2
			WHERE NOT EXISTS (SELECT 1 FROM media_keys WHERE created_at >= ?3) ON CONFLICT DO NOTHING`, k.CreatedAt, k.Key, before)
		return err
	})
}

// nameMedia notes that a message names a file.
func nameMedia(ctx context.Context, t tx, id fabric.MediaID, place int64) error {
	if _, err := t.exec(ctx, `INSERT INTO media_refs (media, place) VALUES (?, ?) ON CONFLICT DO NOTHING`, string(id), place); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE media SET sent = 1, idle_at = NULL WHERE id = ?`, string(id))
	return err
}

// forgetMedia takes note that a message names its file no more.
func forgetMedia(ctx context.Context, t tx, place int64) error {
	if _, err := t.exec(ctx, `UPDATE media SET idle_at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
		WHERE id = (SELECT media FROM media_refs WHERE place = ?1)
			AND NOT EXISTS (SELECT 1 FROM media_refs r WHERE r.media = media.id AND r.place <> ?1)`, place); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM media_refs WHERE place = ?`, place)
	return err
}
