package contract

import (
	"encoding/json"

	"github.com/weft-im/weft/fabric"
)

// Service is an internal service as operators see it.
type Service struct {
	Name       string        `json:"name"`
	User       fabric.UserID `json:"user"`  // its account, which users see and may block
	Title      string        `json:"title"` // what they see it as
	MayUsers   bool          `json:"may_users"`
	MayGroups  bool          `json:"may_groups"`
	Rate       float64       `json:"rate"`       // messages a second
	Credential string        `json:"credential"` // the public user key of its credentials on NATS
	Webhook    string        `json:"webhook,omitempty"`
	CreatedAt  int64         `json:"created_at"` // Unix milliseconds
}

// ServicesAddRequest registers a service. Only operators may ask.
type ServicesAddRequest struct {
	Name       string  `json:"name"`
	Title      string  `json:"title,omitempty"` // the name without it
	MayUsers   bool    `json:"may_users"`
	MayGroups  bool    `json:"may_groups"`
	Rate       float64 `json:"rate,omitempty"` // 0 is DefaultServiceRate
	Credential string  `json:"credential"`
	Webhook    string  `json:"webhook,omitempty"`
}

// DefaultServiceRate is how many messages a second a service may send where nothing else is said, MaxServiceRate the most.
const (
	DefaultServiceRate = 100
	MaxServiceRate     = 10_000
)

// ServicesAddReply is the service and, where it has a webhook, the secret that signs what is posted there (Standard
// Webhooks: whsec_…). It is told here only.
type ServicesAddReply struct {
	Service
	Secret string `json:"secret,omitempty"`
}

// ServicesListRequest asks for all services.
type ServicesListRequest struct{}

// ServicesListReply lists them by name.
type ServicesListReply struct {
	Services []Service `json:"services"`
}

// ServicesSetRequest changes a service; nil leaves a field as it is. A new webhook, or NewSecret, makes a new secret. The
// reply is ServicesAddReply.
type ServicesSetRequest struct {
	Name       string   `json:"name"`
	Title      *string  `json:"title,omitempty"`
	MayUsers   *bool    `json:"may_users,omitempty"`
	MayGroups  *bool    `json:"may_groups,omitempty"`
	Rate       *float64 `json:"rate,omitempty"`
	Credential *string  `json:"credential,omitempty"`
	Webhook    *string  `json:"webhook,omitempty"` // "" for none
	NewSecret  bool     `json:"new_secret,omitempty"`
}

// ServicesRemoveRequest removes a service: it can't send any more, and nobody can write to it. What it has written stays.
// The reply is Service.
type ServicesRemoveRequest struct {
	Name string `json:"name"`
}

// ServiceSend is what a service publishes to svc.<name>.send.<a>.<b>.
type ServiceSend struct {
	CID  string          `json:"cid"` // a UUID, the service's own for this message: the same one again is the same message
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// ServiceSent is the answer. What JetStream answers is in it too, so that its clients take it for theirs.
type ServiceSent struct {
	OK  *ServiceAccepted `json:"ok,omitempty"`
	Err *fabric.Error    `json:"err,omitempty"`

	Stream    string         `json:"stream,omitempty"`
	Seq       uint64         `json:"seq,omitempty"`
	Duplicate bool           `json:"duplicate,omitempty"`
	Error     *JetStreamFail `json:"error,omitempty"`
}

// ServiceAccepted says where the message is, durable.
type ServiceAccepted struct {
	Accepted bool `json:"accepted"`
	fabric.Sent
}

// JetStreamFail is a refusal as JetStream's clients read it.
type JetStreamFail struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// ServiceInbox is what a service gets on svc.<name>.inbox.<user>: something that a user has written to it.
type ServiceInbox struct {
	Channel fabric.ChannelID `json:"channel"`
	Seq     uint64           `json:"seq"`
	At      int64            `json:"at"` // Unix milliseconds
	fabric.Message
}
