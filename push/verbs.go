package push

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// register serves the verbs of the role.
func (r *Role) register(h *service.Host) error {
	return errors.Join(
		service.Handle(h, subjects.PushSet, r.set),
		service.Handle(h, subjects.PushRemove, r.remove),
		service.Handle(h, subjects.PushKey, r.key),
		service.Handle(h, subjects.PushNotify, r.notify),
		service.Handle(h, subjects.PushTest, r.test),
	)
}

// Tokens of FCM and APNs are opaque texts. FCM's have had up to some 300 bytes, and grow; APNs' are bytes in hex.
var (
	fcmToken  = regexp.MustCompile(`^[A-Za-z0-9_:.%-]{16,1000}$`)
	apnsToken = regexp.MustCompile(`^[0-9a-fA-F]{64,200}$`)
)

// set answers weft.push.set.
func (r *Role) set(ctx context.Context, req contract.PushSetRequest) (contract.PushSetReply, error) {
	var none contract.PushSetReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	d, err := fabric.ParseDeviceID(string(req.Device))
	if err != nil {
		return none, err
	}
	a, known, err := r.parse(req.PushRegistration)
	if err != nil {
		return none, err
	}
	t := Target{
		User: u, Device: d, Kind: req.Kind, Show: req.Show, Mentions: req.Mentions, CreatedAt: fabric.Millis(r.cfg.Now()),
	}
	switch t.Show {
	case "":
		t.Show = ShowAll
	case ShowAll, ShowSender, ShowNone:
	default:
		return none, fabric.Errorf(fabric.CodeBadRequest, "show: want %s, %s or %s", ShowAll, ShowSender, ShowNone)
	}
	sum := sha256.Sum256([]byte(req.Kind + " " + known))
	t.Hash = hex.EncodeToString(sum[:])
	if t.Address, err = a.encode(); err != nil {
		return none, err
	}
	if err := r.store.SetPush(ctx, t); err != nil {
		return none, fmt.Errorf("set push of %s: %w", d, err)
	}
	r.changed(u)
	return contract.PushSetReply{Kind: t.Kind, Show: t.Show, Mentions: t.Mentions}, nil
}

// parse checks a registration. known is what the push service knows the device by.
func (r *Role) parse(p contract.PushRegistration) (a Address, known string, err error) {
	if k := p.Kind; (k == KindFCM || k == KindAPNs) && r.providers[k] == nil {
		return a, "", fabric.Errorf(fabric.CodeBadRequest, "kind: this server does not push by %s", k)
	}
	switch p.Kind {
	case KindWebPush:
		if _, _, err := serviceOf(r.services, p.Endpoint); err != nil {
			return a, "", err
		}
		if _, err := parseSubscription(p.Keys.P256dh, p.Keys.Auth); err != nil {
			return a, "", err
		}
		return Address{Endpoint: p.Endpoint, P256dh: p.Keys.P256dh, Auth: p.Keys.Auth}, p.Endpoint, nil
	case KindFCM:
		if !fcmToken.MatchString(p.Token) {
			return a, "", fabric.Errorf(fabric.CodeBadRequest, "token: want a registration token of Firebase Cloud Messaging")
		}
		return Address{Token: p.Token}, p.Token, nil
	case KindAPNs:
		if !apnsToken.MatchString(p.Token) {
			return a, "", fabric.Errorf(fabric.CodeBadRequest, "token: want a device token of APNs, in hex")
		}
		if p.Topic != "" && !slices.Contains(r.cfg.APNs.Topics, p.Topic) {
			return a, "", fabric.Errorf(fabric.CodeBadRequest, "topic: want the bundle id of an app that this server pushes to")
		}
		token := strings.ToLower(p.Token)
		return Address{Token: token, Topic: p.Topic, Sandbox: p.Sandbox}, token, nil
	}
	return a, "", fabric.Errorf(fabric.CodeBadRequest, "kind: want %s, %s or %s", KindWebPush, KindFCM, KindAPNs)
}

// remove answers weft.push.remove. That there was nothing to be removed is no error.
func (r *Role) remove(ctx context.Context, req contract.PushRemoveRequest) (struct{}, error) {
	d, err := fabric.ParseDeviceID(string(req.Device))
	if err != nil {
		return struct{}{}, err
	}
	if _, err := r.store.RemovePush(ctx, d, ""); err != nil {
		return struct{}{}, fmt.Errorf("remove push of %s: %w", d, err)
	}
	r.changed(req.User)
	return struct{}{}, nil
}

// changed tells all processes of the role, this one too, that a user's devices are reached otherwise than before.
func (r *Role) changed(u fabric.UserID) {
	r.targets.forget(u)
	if err := r.nc.Publish(subjects.PushChanged, []byte(u)); err != nil {
		r.log.Warn("the other processes learn later how a user's devices are reached", "err", err)
	}
}

// key answers weft.push.key.
func (r *Role) key(context.Context, contract.PushKeyRequest) (contract.PushKeyReply, error) {
	return contract.PushKeyReply{Key: r.vapid.public}, nil
}

// notify answers weft.push.notify.
func (r *Role) notify(ctx context.Context, req contract.PushNotifyRequest) (contract.PushNotifyReply, error) {
	var none contract.PushNotifyReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	if err := checkNotice(req.Notice); err != nil {
		return none, err
	}
	list, err := r.store.PushTargets(ctx, []fabric.UserID{u})
	if err != nil {
		return none, fmt.Errorf("who can be reached: %w", err)
	}
	names, err := r.store.PushNames(ctx, []fabric.UserID{u})
	if err != nil {
		return none, fmt.Errorf("names: %w", err)
	}
	if _, there := names[u]; !there {
		return none, fabric.Errorf(fabric.CodeNotFound, "there is no such user")
	}
	stands, err := r.standings(ctx, []Ask{{User: u, Channel: fabric.Direct(u, req.From), Sender: req.From}})
	if err != nil {
		return none, err
	}
	if stands[0].Blocked { // as it is told of a message
		return none, fabric.Errorf(fabric.CodeForbidden, "user %s has blocked service %s", u, req.Service)
	}
	if muted(stands[0].MutedUntil, r.cfg.Now()) {
		return none, nil
	}
	var jobs []queued
	for i := range list {
		jobs = append(jobs, queued{job{
			Kind: pushNotice, User: u, Device: list[i].Device, At: fabric.Millis(r.cfg.Now()), From: stands[0].Sender,
			ID: req.Service + "." + req.CID, Title: req.Title, Body: req.Body, Link: req.Link,
		}, r.laneOf(&list[i]), classNow})
	}
	jobs = r.reachable(jobs)
	return contract.PushNotifyReply{Devices: len(jobs)}, r.enqueue(ctx, jobs)
}

// checkNotice refuses a notification that can't be shown.
func checkNotice(n contract.Notice) error {
	for _, f := range []struct {
		name, text  string
		least, most int
	}{
		{"title", n.Title, 1, contract.MaxNoticeTitle}, {"body", n.Body, 0, contract.MaxNoticeBody}, {"link", n.Link, 0, contract.MaxNoticeLink},
	} {
		if len(f.text) < f.least || len(f.text) > f.most || !utf8.ValidString(f.text) {
			return fabric.Errorf(fabric.CodeBadRequest, "body.%s: want %d to %d bytes of text", f.name, f.least, f.most)
		}
	}
	if n.Link == "" {
		return nil
	}
	u, err := url.Parse(n.Link)
	web := err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
	// A browser takes // and /\ for the beginning of another origin.
	own := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(n.Link, "/") && !strings.HasPrefix(n.Link, "//") && !strings.Contains(n.Link, `\`)
	if !web && !own {
		return fabric.Errorf(fabric.CodeBadRequest, "body.link: want an https URL, or a path that begins with /")
	}
	return nil
}

// testWithin bounds a test of one device.
const testWithin = 8 * time.Second

// test answers weft.push.test: it sends at once, not by the queue, and tells what came of it.
func (r *Role) test(ctx context.Context, req contract.PushTestRequest) (contract.PushTestReply, error) {
	reply := contract.PushTestReply{Devices: []contract.PushTested{}}
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return reply, err
	}
	list, err := r.store.PushTargets(ctx, []fabric.UserID{u})
	if err != nil {
		return reply, fmt.Errorf("who can be reached: %w", err)
	}
	answers := make(chan contract.PushTested, len(list))
	for _, t := range list {
		go func() { answers <- r.testOne(ctx, t) }()
	}
	for range list {
		reply.Devices = append(reply.Devices, <-answers)
	}
	return reply, nil
}

func (r *Role) testOne(ctx context.Context, t Target) contract.PushTested {
	ctx, cancel := context.WithTimeout(ctx, testWithin)
	defer cancel()
	began := time.Now()
	tested := contract.PushTested{Device: t.Device, Kind: t.Kind}
	d, err := r.destinationOf(t)
	if err != nil {
		tested.Result, tested.Detail = resultUnknown, err.Error()
		return tested
	}
	j := job{Kind: pushTest, User: t.User, Device: t.Device, At: fabric.Millis(r.cfg.Now())}
	o := d.provider.send(ctx, d, j.render(t.Show, r.badge(ctx, &j)))
	r.metrics.sends.WithLabelValues(d.lane, o.result).Inc()
	tested.Lane, tested.Result, tested.Detail, tested.Millis = d.lane, o.result, o.detail, time.Since(began).Milliseconds()
	return tested
}
