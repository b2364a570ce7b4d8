// etcdload puts a measured load on a server that speaks the etcd v3 gRPC API and prints one JSON
// line. It mirrors `coord bench`: same keys, same values, same meaning of "in flight".
//
// See README.md beside this file for how it is built and run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io/ioutil"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
	"google.golang.org/grpc/grpclog"
)

var (
	endpoints = flag.String("endpoints", "http://127.0.0.1:2379", "members, separated by commas")
	opName    = flag.String("op", "put", "put, get, sget, txn, keepalive, watch, lock, handover, qput or qtake")
	clients   = flag.Int("clients", 1, "requests in flight in all; for watch: watchers")
	conns     = flag.Int("conns", 1, "connections they share")
	total     = flag.Int("total", 10000, "requests to make; for watch: writes")
	keySize   = flag.Int("key-size", 32, "bytes of a key")
	valSize   = flag.Int("val-size", 256, "bytes of a value")
	keys      = flag.Int("keys", 10000, "keys that are read")
	first     = flag.Int("first", 0, "number of the first key written; not for watch")
	writes    = flag.Int("writes", 1, "writes in flight while watching")
	prefix    = flag.String("prefix", "bench/", "what every key starts with")
)

// operation makes one request: number says which of the run, who which of the clients makes it.
type operation func(c *clientv3.Client, number, who int) error

func main() {
	flag.Parse()
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(ioutil.Discard, ioutil.Discard, ioutil.Discard))
	pool := dial()
	ctx := context.Background()
	if *opName == "watch" {
		watch(ctx, pool)
		return
	}
	if *opName == "handover" {
		handOver(pool)
		return
	}
	op := prepare(ctx, pool)
	took := make([][]int64, *clients)
	var next, failed int64
	var gate, done sync.WaitGroup
	gate.Add(1)
	for who := 0; who < *clients; who++ {
		done.Add(1)
		took[who] = make([]int64, 0, *total / *clients + 64)
		go func(who int) {
			defer done.Done()
			c := pool[who%len(pool)]
			gate.Wait()
			for {
				number := int(atomic.AddInt64(&next, 1)) - 1
				if number >= *total {
					return
				}
				began := time.Now()
				if err := op(c, *first+number, who); err != nil {
					atomic.AddInt64(&failed, 1)
				}
				took[who] = append(took[who], int64(time.Since(began)))
			}
		}(who)
	}
	began := time.Now()
	gate.Done()
	done.Wait()
	report(time.Since(began), took, failed)
}

func dial() []*clientv3.Client {
	pool := make([]*clientv3.Client, *conns)
	for i := range pool {
		c, err := clientv3.New(clientv3.Config{
			Endpoints:   strings.Split(*endpoints, ","),
			DialTimeout: 5 * time.Second,
		})
		stopIf(err)
		_, err = c.Get(context.Background(), *prefix)
		stopIf(err)
		pool[i] = c
	}
	return pool
}

// prepare brings the store into the state the operation needs, and returns the operation.
func prepare(ctx context.Context, pool []*clientv3.Client) operation {
	value := strings.Repeat("x", *valSize)
	switch *opName {
	case "put":
		return func(c *clientv3.Client, number, _ int) error {
			_, err := c.Put(ctx, key(number), value)
			return err
		}
	case "get", "sget":
		fill(ctx, pool, value)
		var options []clientv3.OpOption
		if *opName == "sget" {
			options = append(options, clientv3.WithSerializable())
		}
		return func(c *clientv3.Client, number, _ int) error {
			found, err := c.Get(ctx, key(number%*keys), options...)
			if err == nil && len(found.Kvs) != 1 {
				err = fmt.Errorf("key not found")
			}
			return err
		}
	case "txn":
		return func(c *clientv3.Client, number, _ int) error {
			k := key(number)
			_, err := c.Txn(ctx).
				If(clientv3.Compare(clientv3.Version(k), "=", 0)).
				Then(clientv3.OpPut(k, value)).
				Else(clientv3.OpGet(k)).
				Commit()
			return err
		}
	case "keepalive":
		leases := make([]clientv3.LeaseID, *clients)
		for who := range leases {
			granted, err := pool[who%len(pool)].Grant(ctx, 600)
			stopIf(err)
			leases[who] = granted.ID
		}
		return func(c *clientv3.Client, _, who int) error {
			_, err := c.KeepAliveOnce(ctx, leases[who])
			return err
		}
	case "lock":
		return locking(pool)
	case "qput":
		return queuePuts(pool, value)
	case "qtake":
		return queueTakes(pool)
	}
	stopIf(fmt.Errorf("unknown operation %q", *opName))
	return nil
}

// fill writes the keys that will be read, a hundred at a time.
func fill(ctx context.Context, pool []*clientv3.Client, value string) {
	for first := 0; first < *keys; first += 100 {
		var puts []clientv3.Op
		for number := first; number < first+100 && number < *keys; number++ {
			puts = append(puts, clientv3.OpPut(key(number), value))
		}
		_, err := pool[0].Txn(ctx).Then(puts...).Commit()
		stopIf(err)
	}
}

// key spreads consecutive numbers over the whole key space, as `coord bench` does.
func key(number int) string {
	text := fmt.Sprintf("%s%016x", *prefix, uint64(number+1)*0x9E3779B97F4A7C15)
	if len(text) < *keySize {
		text += strings.Repeat("k", *keySize-len(text))
	}
	return text
}

func stopIf(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcdload:", err)
		os.Exit(1)
	}
}
