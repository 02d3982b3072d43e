package users_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
	"github.com/weft-im/weft/weftest"
)

// events returns what the audit log has, once it has n events.
func (d *directory) events(n uint64) (list []audit.Event) {
	d.t.Helper()
	stream, err := d.nats.JetStream(d.t).Stream(d.t.Context(), subjects.AuditStream)
	if err != nil {
		d.t.Fatal(err)
	}
	weftest.Eventually(d.t, "the audit log has "+strconv.FormatUint(n, 10)+" events", func() bool {
		info, err := stream.Info(d.t.Context())
		return err == nil && info.State.Msgs >= n
	})
	info := stream.CachedInfo()
	for seq := uint64(1); seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(d.t.Context(), seq)
		if err != nil {
			d.t.Fatal(err)
		}
		var e audit.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			d.t.Fatal(err)
		}
		if want := subjects.Audit("users", string(e.What)); m.Subject != want {
			d.t.Errorf("event %s is on %s, want %s", m.Data, m.Subject, want)
		}
		for _, secret := range []string{"5123456780", "refresh_token"} {
			if strings.Contains(string(m.Data), secret) {
				d.t.Errorf("event %s has %s in it", m.Data, secret)
			}
		}
		list = append(list, e)
	}
	return list
}

func TestSignInsAreWrittenDown(t *testing.T) {
	d := newDirectory(t, users.Config{Dev: true})
	const at = "192.0.2.7"
	ann := d.signIn("+4915123456780", "ann")
	try := contract.UsersTokenRequest{Phone: "+4915123456780", Code: "000000", Address: at}
	if _, code := ask[contract.UsersTokenReply](d, subjects.UsersToken, try); code != fabric.CodeUnauthenticated {
		t.Fatalf("a wrong code: %q", code)
	}
	for range 2 {
		ask[contract.UsersTokenReply](d, subjects.UsersRefresh, contract.UsersRefreshRequest{RefreshToken: ann.RefreshToken, Address: at})
	}
	again := d.signIn("+4915123456780", "ann")
	ask[struct{}](d, subjects.UsersRevoke, contract.UsersRevokeRequest{User: again.User.ID, Device: again.Device.ID})
	got := d.events(5)
	for i := range got {
		if got[i].At == 0 {
			t.Errorf("event %d has no time", i)
		}
		got[i].At = 0
	}
	want := []audit.Event{
		{What: audit.SignIn, User: ann.User.ID, Device: ann.Device.ID},
		{What: audit.SignInRefused, Address: at, Op: "token", Code: fabric.CodeUnauthenticated, Detail: "phone +49*********80"},
		{What: audit.RefreshReused, User: ann.User.ID, Device: ann.Device.ID, Address: at},
		{What: audit.SignIn, User: ann.User.ID, Device: again.Device.ID},
		{What: audit.DeviceRevoked, User: ann.User.ID, Device: again.Device.ID},
	}
	if !slices.Equal(got, want) {
		t.Errorf("the audit log has\n%+v\nwant\n%+v", got, want)
	}
	stream, err := d.nats.JetStream(t).Stream(t.Context(), subjects.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("an event was deleted")
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeKeep(1)); err == nil {
		t.Error("the audit log was purged")
	}
}

// Codes in all are bounded, and tries of one address, whatever the phones.
func TestFloodsOfSignIns(t *testing.T) {
	d := newDirectory(t, users.Config{Rates: users.Rates{Codes: 4, TriesPerAddress: 3}})
	d.smsService(`{}`)
	for i := range 6 {
		want := fabric.Code("")
		if i >= 4 {
			want = fabric.CodeRateLimited
		}
		_, got := ask[contract.UsersOTPReply](d, subjects.UsersOTP, contract.UsersOTPRequest{Phone: "+491512345679" + strconv.Itoa(i), Address: "10.0.0." + strconv.Itoa(i)})
		if got != want {
			t.Errorf("code %d of all: %q, want %q", i+1, got, want)
		}
	}
	try := func(address string, i int) fabric.Code {
		_, code := ask[contract.UsersTokenReply](d, subjects.UsersToken, contract.UsersTokenRequest{Phone: "+491512345679" + strconv.Itoa(i), Code: "000000", Address: address})
		return code
	}
	for i := range 5 {
		want := fabric.CodeUnauthenticated
		if i >= 3 {
			want = fabric.CodeRateLimited
		}
		if got := try("10.0.1.1", i); got != want {
			t.Errorf("try %d of one address: %q, want %q", i+1, got, want)
		}
	}
	if got := try("10.0.1.2", 9); got != fabric.CodeUnauthenticated {
		t.Errorf("another address: %q", got)
	}
	d.now = d.now.Add(2 * time.Hour)
	if got := try("10.0.1.1", 9); got != fabric.CodeUnauthenticated {
		t.Errorf("the first one two hours later: %q", got)
	}
}
