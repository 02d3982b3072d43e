package otp_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/otp"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/webhook"
	"github.com/weft-im/weft/weftest"
)

// gateway is somebody's server that sends text messages: it checks what it is posted as the standard says.
type gateway struct {
	t       *testing.T
	secret  string
	answers []int // one for each post
	ids     []string
	posted  []contract.SendOTPRequest
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	check, bad := standardwebhooks.NewWebhook(g.secret)
	if err != nil || bad != nil {
		g.t.Error(err, bad)
	}
	if err := check.Verify(body, r.Header); err != nil {
		g.t.Errorf("the signature: %v", err)
	}
	var e struct {
		Type string
		Data contract.SendOTPRequest
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Type != otp.EventType {
		g.t.Errorf("posted %s, %v", body, err)
	}
	g.ids, g.posted = append(g.ids, r.Header.Get("webhook-id")), append(g.posted, e.Data)
	w.WriteHeader(g.answers[0])
	g.answers = g.answers[1:]
}

func TestCodesArePosted(t *testing.T) {
	g := &gateway{t: t, secret: webhook.NewSecret()}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	nats := weftest.StartNATS(t, natsconfig.FabricConfig{})
	role, err := otp.New(nats.ConnectAs(t, subjects.RoleOTP), server.URL, g.secret, weftest.Logger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- role.Run(ctx) }()
	<-role.Ready()

	nc := nats.ConnectAs(t, subjects.RoleUsers)
	want := contract.SendOTPRequest{Phone: "+4915123456789", Code: "012345", ExpiresAt: 1_760_000_300_000}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(data string, answers ...int) (reply contract.SendOTPReply) {
		t.Helper()
		g.answers, g.ids, g.posted = answers, nil, nil
		m, err := nc.Request(subjects.SendOTP, []byte(data), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(m.Data), want.Code) || json.Unmarshal(m.Data, &reply) != nil {
			t.Errorf("the answer is %s", m.Data)
		}
		if len(g.answers) != 0 {
			t.Errorf("%d posts too few", len(g.answers))
		}
		return reply
	}
	if reply := ask(string(data), 204); reply.Err != nil || g.posted[0] != want {
		t.Errorf("answered %+v, posted %+v", reply, g.posted)
	}
	if reply := ask(string(data), 503, 200); reply.Err != nil || g.ids[0] != g.ids[1] {
		t.Errorf("the second try: %+v, ids %q", reply, g.ids)
	}
	if reply := ask(string(data), 500, 500); fabric.CodeOf(reply.Err) != fabric.CodeUnavailable {
		t.Errorf("a gateway that fails: %+v", reply)
	}
	if reply := ask(string(data), 410); fabric.CodeOf(reply.Err) != fabric.CodeUnavailable {
		t.Errorf("a gateway that wants no more: %+v", reply)
	}
	for _, bad := range []string{"", "{}", "nonsense", `{"phone":5}`} {
		if reply := ask(bad); fabric.CodeOf(reply.Err) != fabric.CodeBadRequest {
			t.Errorf("%q: %+v", bad, reply)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	nats := weftest.StartNATS(t, natsconfig.FabricConfig{})
	for _, url := range []string{"", "sms.example", "http://sms.example/send", "https://u:p@sms.example/"} {
		if _, err := otp.New(nats.Connect(t), url, webhook.NewSecret(), weftest.Logger(t), prometheus.NewRegistry()); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
	if _, err := otp.New(nats.Connect(t), "https://sms.example/", "secret", weftest.Logger(t), prometheus.NewRegistry()); err == nil {
		t.Error("a secret that is none is taken")
	}
}
