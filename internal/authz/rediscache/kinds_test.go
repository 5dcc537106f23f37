package rediscache_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"steward/internal/authz/check"
	"steward/internal/authz/rediscache"
	"steward/internal/testing/servers"
)

// cluster is three masters that share the slots.
func cluster(t *testing.T) []*servers.RedisServer {
	nodes := make([]*servers.RedisServer, 3)
	for i := range nodes {
		nodes[i] = servers.Redis(t, servers.RedisOptions{Args: []string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"}})
	}
	ctx := t.Context()
	for i, r := range nodes {
		c := client(t, r)
		must(t, c.ClusterAddSlotsRange(ctx, i*16384/3, (i+1)*16384/3-1).Err())
		must(t, c.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
		for _, other := range nodes {
			must(t, c.ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(other.Port)).Err())
		}
	}
	for _, r := range nodes {
		c := client(t, r)
		eventually(t, "a cluster", func() bool {
			slots, err := c.ClusterSlots(ctx).Result()
			return err == nil && len(slots) == 3 && strings.Contains(c.ClusterInfo(ctx).Val(), "cluster_state:ok")
		})
	}
	return nodes
}

func TestKinds_Cluster(t *testing.T) {
	t.Parallel()
	nodes := cluster(t)
	// One seed is enough: it tells of the others.
	c := open(t, rediscache.Options{URL: fmt.Sprintf("redis+cluster://127.0.0.1:%d", nodes[0].Port), Timeout: patient})
	var all []check.Entry
	for k := range byte(20) {
		all = append(all, objects(k, 5)...)
	}
	stored(t, c, all)
	if n := load(t, c, all); n != 100 {
		t.Errorf("%d of 100", n)
	}
	var raw []*redis.Client
	for i, r := range nodes {
		raw = append(raw, client(t, r))
		if n := raw[i].DBSize(t.Context()).Val(); n == 0 || n == 20 {
			t.Errorf("node %d holds %d of 20 hashes", i, n)
		}
	}
	moveSlot(t, raw)
	if n := load(t, c, all); n != 95 || c.Stats().Errors != 0 {
		t.Errorf("%d of 95 after a slot has moved and lost its hash, %+v", n, c.Stats())
	}
	stored(t, c, all) // follows the slots
	if n := load(t, c, all); n != 100 || c.Stats().Errors != 0 {
		t.Errorf("%d of 100 after a slot has moved, %+v", n, c.Stats())
	}
}

// moveSlot gives the slot of one hash of the first node to the last, without the hash.
func moveSlot(t *testing.T, nodes []*redis.Client) {
	t.Helper()
	ctx := t.Context()
	key := nodes[0].RandomKey(ctx).Val()
	slot := nodes[0].ClusterKeySlot(ctx, key).Val()
	must(t, nodes[0].Del(ctx, key).Err())
	id := nodes[2].Do(ctx, "cluster", "myid").Val()
	for _, c := range slices.Backward(nodes) {
		must(t, c.Do(ctx, "cluster", "setslot", slot, "node", id).Err())
	}
}

// A node that the cluster lost costs the answers it held, and the others too while the breaker is open; not more.
func TestKinds_ClusterNodeLost(t *testing.T) {
	t.Parallel()
	nodes := cluster(t)
	c := open(t, rediscache.Options{URL: fmt.Sprintf("redis+cluster://127.0.0.1:%d,127.0.0.1:%d", nodes[0].Port, nodes[1].Port)})
	var all []check.Entry
	for k := range byte(20) {
		all = append(all, objects(k, 5)...)
	}
	eventually(t, "filled", func() bool { c.Store(all); return load(t, c, all) == 100 })
	must(t, nodes[2].Stop())
	openBreaker(t, c, all)
	must(t, nodes[2].Start(t.Context()))
	eventually(t, "filled again", func() bool { c.Store(all); return load(t, c, all) == 100 })
}

// sentinel starts one that watches the master by the name "mymaster", and returns its address.
func sentinel(t *testing.T, master *servers.RedisServer, password, own string) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	dir := t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	_, port, _ := net.SplitHostPort(addr)
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf(`bind 127.0.0.1
port %s
dir %s
requirepass %s
sentinel monitor mymaster 127.0.0.1 %d 1
sentinel auth-pass mymaster %s
sentinel down-after-milliseconds mymaster 300
sentinel failover-timeout mymaster 3000
`, port, dir, own, master.Port, password)), 0o600))
	cmd := exec.Command(program, conf, "--sentinel")
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c := redis.NewSentinelClient(&redis.Options{Addr: addr, Password: own})
	t.Cleanup(func() { c.Close() })
	eventually(t, "a sentinel that knows the replica", func() bool {
		replicas, err := c.Replicas(t.Context(), "mymaster").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["flags"] == "slave" && replicas[0]["master-link-status"] == "ok"
	})
	return addr
}

// The cache finds the master by a sentinel, and the new master after a failover.
func TestKinds_Sentinel(t *testing.T) {
	t.Parallel()
	const password, own = "pw-of-redis", "pw-of-sentinel"
	auth := []string{"--masterauth", password, "--repl-diskless-sync-delay", "0"}
	master := servers.Redis(t, servers.RedisOptions{Password: password, Args: auth})
	replica := servers.Redis(t, servers.RedisOptions{Password: password, Args: append(auth, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port))})
	addr := sentinel(t, master, password, own)
	c := open(t, rediscache.Options{URL: "redis+sentinel://:" + password + "@" + addr + "/mymaster/0?sentinel-password=" + own, Timeout: patient})
	all := objects(1, 20)
	stored(t, c, all)
	if n := load(t, c, all); n != 20 {
		t.Errorf("%d of 20", n)
	}
	must(t, master.Stop())
	eventually(t, "the replica is the master", func() bool {
		return strings.Contains(client(t, replica).Info(t.Context(), "replication").Val(), "role:master")
	})
	eventually(t, "the cache has found it", func() bool { c.Store(objects(2, 5)); return load(t, c, objects(2, 5)) == 5 })
}
