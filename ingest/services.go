package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/webhook"
)

// Bounds of what operators say of a service, in bytes.
const (
	maxTitleBytes = 100
)

// register serves the verbs about services. NATS lets only operators ask them.
func (r *Role) register(h *service.Host) error {
	return errors.Join(
		service.Handle(h, subjects.ServicesAdd, r.add),
		service.Handle(h, subjects.ServicesList, r.list),
		service.Handle(h, subjects.ServicesSet, r.set),
		service.Handle(h, subjects.ServicesRemove, r.remove),
	)
}

func (r *Role) add(ctx context.Context, req contract.ServicesAddRequest) (contract.ServicesAddReply, error) {
	var none contract.ServicesAddReply
	s := Service{
		Name: req.Name, User: fabric.NewUserID(), Title: strings.TrimSpace(req.Title), MayUsers: req.MayUsers, MayGroups: req.MayGroups,
		Rate: req.Rate, Credential: req.Credential, Webhook: req.Webhook, CreatedAt: fabric.Millis(r.cfg.Now()),
	}
	if s.Title == "" {
		s.Title = s.Name
	}
	if s.Rate == 0 {
		s.Rate = contract.DefaultServiceRate
	}
	if err := s.check(); err != nil {
		return none, err
	}
	if s.Webhook != "" {
		s.Secret = webhook.NewSecret()
	}
	// The inbox first: nothing that is written to the service, once it is there, is to miss it.
	if err := r.openInbox(ctx, s.Name); err != nil {
		return none, err
	}
	s, err := r.store.AddService(ctx, s)
	if err != nil {
		return none, fmt.Errorf("add service: %w", err)
	}
	r.audit.Write(audit.Event{What: audit.ServiceAdded, Service: s.Name, Other: s.User, Detail: s.rights()})
	return contract.ServicesAddReply{Service: shown(s), Secret: s.Secret}, r.tell(ctx)
}

func (r *Role) list(ctx context.Context, _ contract.ServicesListRequest) (contract.ServicesListReply, error) {
	all, err := r.store.Services(ctx)
	if err != nil {
		return contract.ServicesListReply{}, fmt.Errorf("services: %w", err)
	}
	reply := contract.ServicesListReply{Services: []contract.Service{}}
	for _, s := range all {
		reply.Services = append(reply.Services, shown(s))
	}
	return reply, nil
}

func (r *Role) set(ctx context.Context, req contract.ServicesSetRequest) (contract.ServicesAddReply, error) {
	var none contract.ServicesAddReply
	secret := ""
	s, err := r.store.ChangeService(ctx, req.Name, func(s *Service) error {
		setTo(&s.MayUsers, req.MayUsers)
		setTo(&s.MayGroups, req.MayGroups)
		setTo(&s.Rate, req.Rate)
		setTo(&s.Credential, req.Credential)
		if req.Title != nil {
			s.Title = strings.TrimSpace(*req.Title)
		}
		was := s.Webhook
		setTo(&s.Webhook, req.Webhook)
		secret = ""
		switch {
		case s.Webhook == "":
			s.Secret = ""
		case s.Webhook != was || req.NewSecret:
			secret = webhook.NewSecret()
			s.Secret = secret
		}
		return s.check()
	})
	if err != nil {
		return none, fmt.Errorf("change service: %w", err)
	}
	r.audit.Write(audit.Event{What: audit.ServiceChanged, Service: s.Name, Other: s.User, Detail: s.rights()})
	return contract.ServicesAddReply{Service: shown(s), Secret: secret}, r.tell(ctx)
}

func setTo[T any](v, to *T) {
	if to != nil {
		*v = *to
	}
}

func (r *Role) remove(ctx context.Context, req contract.ServicesRemoveRequest) (contract.Service, error) {
	s, err := r.store.ChangeService(ctx, req.Name, func(s *Service) error {
		s.RemovedAt = fabric.Millis(r.cfg.Now())
		return nil
	})
	if err != nil {
		return contract.Service{}, fmt.Errorf("remove service: %w", err)
	}
	r.audit.Write(audit.Event{What: audit.ServiceRemoved, Service: s.Name, Other: s.User})
	return shown(s), errors.Join(r.tell(ctx), r.closeInbox(ctx, s.Name))
}

// tell has this process and the others take the services as they are now.
func (r *Role) tell(ctx context.Context) error {
	if err := r.nc.Publish(subjects.ServicesChanged, nil); err != nil {
		return fmt.Errorf("tell the other processes: %w", err)
	}
	return r.reload(ctx)
}

func (s Service) rights() string {
	var list []string
	if s.MayUsers {
		list = append(list, "user")
	}
	if s.MayGroups {
		list = append(list, "group")
	}
	if s.Webhook != "" {
		list = append(list, "webhook")
	}
	return fmt.Sprintf("%s, %g/s", strings.Join(list, ","), s.Rate)
}

func shown(s Service) contract.Service {
	return contract.Service{
		Name: s.Name, User: s.User, Title: s.Title, MayUsers: s.MayUsers, MayGroups: s.MayGroups, Rate: s.Rate,
		Credential: s.Credential, Webhook: s.Webhook, CreatedAt: s.CreatedAt,
	}
}

// check refuses a service that can't be.
func (s Service) check() error {
	switch {
	case !auth.ValidServiceName(s.Name) || s.Name == "unknown":
		return fabric.Errorf(fabric.CodeBadRequest, "name: want 2 to 32 of a-z, 0-9 and -, first a letter")
	case s.Title == "" || len(s.Title) > maxTitleBytes || !utf8.ValidString(s.Title) ||
		strings.ContainsFunc(s.Title, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fabric.Errorf(fabric.CodeBadRequest, "title: want 1 to %d bytes of text", maxTitleBytes)
	case math.IsNaN(s.Rate) || s.Rate <= 0 || s.Rate > contract.MaxServiceRate:
		return fabric.Errorf(fabric.CodeBadRequest, "rate: want more than 0 and up to %d messages a second", contract.MaxServiceRate)
	case s.Credential != "" && !nkeys.IsValidPublicUserKey(s.Credential):
		return fabric.Errorf(fabric.CodeBadRequest, "credential: want a public user key (U…)")
	}
	if s.Webhook == "" {
		return nil
	}
	return webhook.CheckURL(s.Webhook)
}

// countProcesses counts those of the role, each of which takes its share of what services send: so that all together let
// pass what a service may.
func (r *Role) countProcesses() {
	const within = time.Second
	ctx, cancel := context.WithTimeout(r.ctx, within)
	defer cancel()
	inbox := r.nc.NewRespInbox()
	sub, err := r.nc.SubscribeSync(inbox)
	if err == nil {
		err = r.nc.PublishRequest(subjects.Ping(subjects.ServiceServices), inbox, nil)
	}
	if err != nil {
		r.log.Warn("the processes of the role are not counted", "err", err)
		return
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only where the connection is closed
	n := 0
	for {
		if _, err := sub.NextMsgWithContext(ctx); err != nil {
			break // the time is over, or the role
		}
		n++
	}
	r.mu.Lock()
	r.share = 1 / float64(max(n, 1))
	r.mu.Unlock()
}
