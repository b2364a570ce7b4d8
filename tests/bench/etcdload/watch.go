package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

const stampDigits = 20 // a value starts with the moment it was sent, in nanoseconds

// watch lets every client watch the same prefix while some write to it, and checks that each
// watcher sees each write exactly once. An event's time is from before its put until it is read.
func watch(ctx context.Context, pool []*clientv3.Client) {
	var wrong int64
	var ready, done sync.WaitGroup
	took := make([][]int64, *clients)
	start := time.Now()
	for who := 0; who < *clients; who++ {
		ready.Add(1)
		done.Add(1)
		go func(who int) {
			defer done.Done()
			events := pool[who%len(pool)].Watch(
				ctx, *prefix+"w/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
			took[who] = follow(events, ready.Done, start, &wrong)
		}(who)
	}
	ready.Wait()
	began := time.Now()
	write(ctx, pool, start)
	done.Wait()
	report(time.Since(began), took, wrong)
}

// follow reads one watcher's events until it has seen every write.
func follow(events clientv3.WatchChan, created func(), start time.Time, wrong *int64) []int64 {
	took := make([]int64, 0, *total)
	seen := make([]bool, *total)
	for len(took) < *total {
		answer, open := <-events
		if !open || answer.Err() != nil {
			fmt.Fprintln(os.Stderr, "etcdload: watch ended:", answer.Err())
			os.Exit(1)
		}
		if answer.Created {
			created()
		}
		now := int64(time.Since(start))
		for _, event := range answer.Events {
			sent, _ := strconv.ParseInt(string(event.Kv.Value[:stampDigits]), 10, 64)
			number, _ := strconv.Atoi(string(event.Kv.Key[len(*prefix)+2:]))
			if seen[number] {
				atomic.AddInt64(wrong, 1)
			}
			seen[number] = true
			took = append(took, now-sent)
		}
	}
	return took
}

// write makes all writes, `writes` of them in flight.
func write(ctx context.Context, pool []*clientv3.Client, start time.Time) {
	filler := ""
	if *valSize > stampDigits {
		filler = strings.Repeat("x", *valSize-stampDigits)
	}
	var next int64
	var done sync.WaitGroup
	for w := 0; w < *writes; w++ {
		done.Add(1)
		go func(c *clientv3.Client) {
			defer done.Done()
			for {
				number := int(atomic.AddInt64(&next, 1)) - 1
				if number >= *total {
					return
				}
				stamp := fmt.Sprintf("%0*d", stampDigits, int64(time.Since(start)))
				_, err := c.Put(ctx, fmt.Sprintf("%sw/%08d", *prefix, number), stamp+filler)
				stopIf(err)
			}
		}(pool[w%len(pool)])
	}
	done.Wait()
}
