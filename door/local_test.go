package door_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/weftest"
)

// A page elsewhere whose name was made to point at this machine gets nothing of what dev mode gives away.
func TestDevModeIsForThisMachine(t *testing.T) {
	d, err := door.Open(door.Config{Listen: "127.0.0.1:0", Local: true, Origins: []string{"https://dev.example"}}, weftest.Logger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	h := d.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for host, want := range map[string]int{
		"localhost:8080": 204, "LocalHost": 204, "weft.localhost:8080": 204, "127.0.0.1:8080": 204, "[::1]:8080": 204, "192.0.2.1": 204,
		"dev.example":  204, // named by --origins
		"evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:8080": 421, "": 421,
		"evillocalhost": 421, "dev.example.evil": 421,
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/auth/otp", nil)
		r.Host = host
		r.Header.Set("Origin", "http://"+host) // as the page's own
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}
