package media

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// readable returns a file that u may load. A message that names it may be on its way into the database: where somebody has
// a hold on the file, the archive is waited for.
func (r *Role) readable(ctx context.Context, u fabric.UserID, id fabric.MediaID) (File, Object, error) {
	if _, err := fabric.ParseUserID(string(u)); err != nil {
		return File{}, Object{}, err
	}
	if _, err := fabric.ParseMediaID(string(id)); err != nil {
		return File{}, Object{}, err
	}
	now := r.cfg.Now().UnixMilli()
	f, o, err := r.store.Readable(ctx, u, id, now)
	if err == nil || fabric.CodeOf(err) != fabric.CodeNotFound {
		return f, o, err
	}
	held, failed := r.store.Held(ctx, id, now)
	if failed != nil {
		return f, o, fmt.Errorf("holds on file %s: %w", id, failed)
	}
	if !held {
		return f, o, err
	}
	settled, failed := r.settle(ctx)
	if failed != nil {
		return f, o, failed
	}
	f, o, err = r.store.Readable(ctx, u, id, now)
	if fabric.CodeOf(err) == fabric.CodeNotFound && err != nil && !settled {
		err = fabric.Errorf(fabric.CodeUnavailable, "whether you may load file %s is not known yet: try again", id)
	}
	return f, o, err
}

// settle waits until all that was in the logs when it was called is in the database, or reports that it is not.
func (r *Role) settle(ctx context.Context) (bool, error) {
	reply, err := service.Call[contract.HistorySettleReply](ctx, r.nc, subjects.HistorySettle, contract.HistorySettleRequest{})
	return reply.Settled, err
}

// get answers weft.media.get.
func (r *Role) get(ctx context.Context, req contract.MediaGetRequest) (contract.MediaGetReply, error) {
	var none contract.MediaGetReply
	if req.Token != "" {
		u, err := r.links.verify(ctx, req.Token, req.Media)
		if err != nil {
			return none, err
		}
		req.User = u
	}
	f, o, err := r.readable(ctx, req.User, req.Media)
	if err != nil {
		return none, err
	}
	reply := contract.MediaGetReply{Media: mediaOf(f, o)}
	if !req.Bytes {
		return reply, nil
	}
	switch o.State {
	case contract.MediaReady:
	case contract.MediaCondemned:
		return none, fabric.Errorf(fabric.CodeForbidden, "file %s was found harmful: nobody loads it", f.ID)
	default:
		return none, fabric.Errorf(fabric.CodeUnavailable, "file %s is still looked at: try again", f.ID)
	}
	reply.Blob, reply.BlobSize, reply.BlobType = o.Blob, o.Size, o.Type
	if req.Thumbnail {
		if o.Thumb == "" {
			return none, fabric.Errorf(fabric.CodeNotFound, "file %s has no thumbnail", f.ID)
		}
		reply.Blob, reply.BlobSize, reply.BlobType = o.Thumb, o.ThumbSize, thumbType
	}
	reply.Disposition = disposition(f.Name, reply.BlobType)
	reply.URL, err = r.blobs.URL(ctx, reply.Blob, blob.Response{
		Type: reply.BlobType, Disposition: reply.Disposition, Cache: "private, no-cache",
	}, r.cfg.Link)
	if err != nil {
		return none, fmt.Errorf("link to %s: %w", reply.Blob, err)
	}
	return reply, nil
}

// claim answers weft.media.claim.
func (r *Role) claim(ctx context.Context, req contract.MediaClaimRequest) (contract.MediaClaimReply, error) {
	if !fabric.ValidCID(req.CID) {
		return contract.Media{}, fabric.Errorf(fabric.CodeBadRequest, "cid: want a UUID in lower-case text")
	}
	f, o, err := r.readable(ctx, req.User, req.Media)
	if err != nil {
		return contract.Media{}, err
	}
	if o.State == contract.MediaCondemned {
		return contract.Media{}, fabric.Errorf(fabric.CodeForbidden, "file %s was found harmful: nobody sends it", f.ID)
	}
	err = r.store.Hold(ctx, Hold{Media: f.ID, User: req.User, CID: req.CID, Until: r.cfg.Now().Add(r.cfg.Hold).UnixMilli()})
	return mediaOf(f, o), err
}

// link answers weft.media.link.
func (r *Role) link(ctx context.Context, req contract.MediaLinkRequest) (contract.MediaLinkReply, error) {
	if _, _, err := r.readable(ctx, req.User, req.Media); err != nil {
		return contract.MediaLinkReply{}, err
	}
	until := r.cfg.Now().Add(r.cfg.Link).Truncate(time.Second)
	token, err := r.links.sign(ctx, req.User, req.Media, until)
	return contract.MediaLinkReply{Token: token, ExpiresAt: until.UnixMilli()}, err
}

// How long a key signs, and how often one that is not known is looked for.
const (
	keySigns   = 24 * time.Hour
	keysReload = 5 * time.Second
)

// links signs links by keys that the role's processes share in the database.
type links struct {
	role *Role

	mu   sync.Mutex
	keys []LinkKey // the newest first
	read time.Time
}

// load brings the keys here, with a new one where the newest is too old.
func (l *links) load(ctx context.Context) ([]LinkKey, error) {
	now := l.role.cfg.Now()
	keys, err := l.role.store.LinkKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys of links: %w", err)
	}
	if before := now.Add(-keySigns).UnixMilli(); len(keys) == 0 || keys[0].CreatedAt < before {
		forget := now.Add(-keySigns - 2*l.role.cfg.Link).UnixMilli()
		if err := l.role.store.AddLinkKey(ctx, LinkKey{Key: auth.NewLinkKey(), CreatedAt: now.UnixMilli()}, before, forget); err != nil {
			return nil, fmt.Errorf("add a key of links: %w", err)
		}
		if keys, err = l.role.store.LinkKeys(ctx); err != nil {
			return nil, fmt.Errorf("keys of links: %w", err)
		}
	}
	l.keys, l.read = keys, now
	return keys, nil
}

func (l *links) sign(ctx context.Context, u fabric.UserID, m fabric.MediaID, until time.Time) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := l.keys
	if len(keys) == 0 || l.role.cfg.Now().Sub(time.UnixMilli(keys[0].CreatedAt)) > keySigns {
		var err error
		if keys, err = l.load(ctx); err != nil {
			return "", err
		}
	}
	return auth.SignLink(keys[0].Key, u, m, until), nil
}

func (l *links) verify(ctx context.Context, token string, m fabric.MediaID) (fabric.UserID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.role.cfg.Now()
	u, err := auth.VerifyLink(raw(l.keys), token, m, now)
	if err != nil && now.Sub(l.read) > keysReload { // another process may have made a key
		keys, failed := l.load(ctx)
		if failed != nil {
			return "", failed
		}
		u, err = auth.VerifyLink(raw(keys), token, m, now)
	}
	return u, err
}

func raw(keys []LinkKey) [][]byte {
	list := make([][]byte, len(keys))
	for i, k := range keys {
		list[i] = k.Key
	}
	return list
}
