package service_test

import (
	"context"
	"errors"
	"testing"

	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

type question struct{}

// Who asks while a process ends has an answer, or hears that they may ask again; who asks afterwards is answered by another.
func TestStop(t *testing.T) {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{})
	asking := n.ConnectAs(t, subjects.RoleEdge)
	serve := func(answer func(context.Context) (string, error)) *service.Host {
		nc := n.ConnectAs(t, subjects.RoleChats)
		h, err := service.New(nc, subjects.ServiceChats, "a test's", 2, weftest.Logger(t))
		if err != nil {
			t.Fatal(err)
		}
		err = service.Handle(h, subjects.ChatsAccess, func(ctx context.Context, _ question) (string, error) { return answer(ctx) })
		if err == nil {
			err = nc.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	ask := func() (string, error) {
		return service.Call[string](t.Context(), asking, subjects.ChatsAccess, question{})
	}

	const piled = 20
	working, goOn := make(chan struct{}, piled), make(chan struct{})
	first := serve(func(ctx context.Context) (string, error) {
		working <- struct{}{}
		<-goOn
		return "first", ctx.Err()
	})
	answers := make(chan error, piled)
	for range piled {
		go func() {
			_, err := ask()
			answers <- err
		}()
	}
	<-working
	<-working // the others wait for a slot
	stopped := make(chan error, 1)
	go func() { stopped <- first.Stop() }()
	close(goOn)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	answered := 0
	for range piled {
		err := <-answers
		switch {
		case err == nil:
			answered++
		case fabric.CodeOf(err) != fabric.CodeUnavailable:
			t.Errorf("asked while it stops: %v, want an answer or unavailable", err)
		}
	}
	if answered < 2 {
		t.Errorf("%d were answered, want those at work", answered)
	}

	for range 50 {
		ended := serve(func(context.Context) (string, error) { return "", errors.New("asked after the end") })
		other := serve(func(context.Context) (string, error) { return "other", nil })
		if err := ended.Stop(); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if got, err := ask(); got != "other" || err != nil {
				t.Fatalf("asked afterwards: %q, %v", got, err)
			}
		}
		if err := other.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}
