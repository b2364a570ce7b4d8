package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
	"go.etcd.io/etcd/clientv3/concurrency"
	recipe "go.etcd.io/etcd/contrib/recipes"
)

const fillers = 100 // goroutines that fill a queue before it is measured

// locking lets every client take and release a lock of its own, one after the other.
func locking(pool []*clientv3.Client) operation {
	locks := make([]*concurrency.Mutex, *clients)
	for who := range locks {
		locks[who] = concurrency.NewMutex(session(pool, who), fmt.Sprintf("%slock-%d", *prefix, who))
	}
	return func(c *clientv3.Client, _, who int) error {
		if err := locks[who].Lock(c.Ctx()); err != nil {
			return err
		}
		return locks[who].Unlock(c.Ctx())
	}
}

// handOver lets all clients contend for one lock. A time runs from before a holder's release until
// the next one, another client, has the lock.
func handOver(pool []*clientv3.Client) {
	var releasedAt, released, wrong int64
	var holders int32
	var done sync.WaitGroup
	took := make([][]int64, *clients)
	start := time.Now()
	ready := make(chan struct{})
	for who := 0; who < *clients; who++ {
		done.Add(1)
		go func(who int, lock *concurrency.Mutex) {
			defer done.Done()
			<-ready
			for atomic.LoadInt64(&released) < int64(*total) {
				stopIf(lock.Lock(context.Background()))
				now := int64(time.Since(start))
				if atomic.AddInt32(&holders, 1) != 1 {
					atomic.AddInt64(&wrong, 1)
				}
				if before := atomic.LoadInt64(&releasedAt); before > 0 {
					took[who] = append(took[who], now-before)
				}
				atomic.AddInt64(&released, 1)
				atomic.AddInt32(&holders, -1)
				atomic.StoreInt64(&releasedAt, int64(time.Since(start)))
				stopIf(lock.Unlock(context.Background()))
			}
		}(who, concurrency.NewMutex(session(pool, who), *prefix+"contended"))
	}
	began := time.Now()
	close(ready)
	done.Wait()
	report(time.Since(began), took, wrong)
}

// queuePuts appends to one queue.
func queuePuts(pool []*clientv3.Client, value string) operation {
	queues := queuesOf(pool)
	return func(_ *clientv3.Client, _, who int) error {
		return queues[who].Enqueue(value)
	}
}

// queueTakes fills a queue with as many items as will be taken, and takes each once.
func queueTakes(pool []*clientv3.Client) operation {
	queues := queuesOf(pool)
	var next int64
	var filled sync.WaitGroup
	for i := 0; i < fillers; i++ {
		filled.Add(1)
		go func(c *clientv3.Client) {
			defer filled.Done()
			queue := recipe.NewQueue(c, queueName())
			for number := atomic.AddInt64(&next, 1); number <= int64(*total); {
				stopIf(queue.Enqueue(fmt.Sprintf("%0*d", *valSize, number)))
				number = atomic.AddInt64(&next, 1)
			}
		}(pool[i%len(pool)])
	}
	filled.Wait()
	var seen sync.Map
	return func(_ *clientv3.Client, _, who int) error {
		item, err := queues[who].Dequeue()
		if err != nil {
			return err
		}
		if _, twice := seen.LoadOrStore(item, true); twice {
			return fmt.Errorf("item %s was taken twice", item)
		}
		return nil
	}
}

func queuesOf(pool []*clientv3.Client) []*recipe.Queue {
	queues := make([]*recipe.Queue, *clients)
	for who := range queues {
		queues[who] = recipe.NewQueue(pool[who%len(pool)], queueName())
	}
	return queues
}

func queueName() string {
	return fmt.Sprintf("%squeue-%d/", *prefix, *first)
}

func session(pool []*clientv3.Client, who int) *concurrency.Session {
	made, err := concurrency.NewSession(pool[who%len(pool)])
	stopIf(err)
	return made
}
