package ingest

import (
	"context"

	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database.
type Store interface {
	// AddService registers a service and its account. The error has CodeConflict where there is one of that name; one that
	// was removed is there again, with the account that it had.
	AddService(ctx context.Context, s Service) (Service, error)
	// Services returns all services that are not removed, by name.
	Services(ctx context.Context) ([]Service, error)
	// ChangeService reads a service, has change change it, and writes it, in one transaction. Its account is called what it
	// is, and is there for as long as the service is. The error has CodeNotFound where there is none of that name.
	ChangeService(ctx context.Context, name string, change func(*Service) error) (Service, error)
	// NoteSend notes that the account u sends what it calls cid to a channel. Where it was noted before, known is what then.
	NoteSend(ctx context.Context, u fabric.UserID, cid string, n Note) (known *Note, err error)
	// ForgetSends forgets up to most notes from before a time, Unix milliseconds, and tells how many.
	ForgetSends(ctx context.Context, before int64, most int) (int, error)
}

// Service is an internal service.
type Service struct {
	Name       string
	User       fabric.UserID // its account
	Title      string        // what users see it as
	MayUsers   bool
	MayGroups  bool
	Rate       float64 // messages a second
	Credential string  // the public user key of its credentials
	Webhook    string  // a URL; empty where it reads its inbox from NATS
	Secret     string  // that signs what is posted there
	CreatedAt  int64   // Unix milliseconds
	RemovedAt  int64   // 0 while it is there
}

// Note is that something was sent where and when.
type Note struct {
	Channel fabric.ChannelID
	At      int64 // Unix milliseconds
}
