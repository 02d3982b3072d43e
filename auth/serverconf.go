package auth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Files for nats-servers, beside the JWTs that they are made from.
const (
	serverConf  = "server.conf"  // operator, system account and the accounts to begin with
	accountConf = "account.conf" // FABRIC's public key, as a variable
)

// WriteServerConf writes what the configuration of nats-servers includes. All of it is public.
func (k *Keys) WriteServerConf() error {
	var b strings.Builder
	b.WriteString("# Made by weft auth: who signs, and the accounts to begin with. Nothing here is secret.\n")
	fmt.Fprintf(&b, "operator: %s\nsystem_account: %s\nresolver_preload: {\n", k.operatorText, k.SystemAccount())
	for _, name := range slices.Sorted(maps.Keys(k.tokens)) {
		fmt.Fprintf(&b, "  %s: %s # %s\n", k.accounts[name].Subject, k.tokens[name], name)
	}
	b.WriteString("}\n")
	// Between leaf and hub nats-server holds JetStream's requests back unless the two share their system account, which
	// would make a leaf's host as mighty as the hub's. This lets them pass in FABRIC: what the link's credentials may ask.
	fmt.Fprintf(&b, "# Leaf nodes pass on what they ask of JetStream, as far as their link's credentials may.\ndefault_js_domain: { %s: \"\" }\n", k.FabricAccount())
	if err := writeFile(k.path(serverConf), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return writeFile(k.path(accountConf), fmt.Appendf(nil, "# Made by weft auth.\nFABRIC: %s\n", k.FabricAccount()), 0o644)
}
