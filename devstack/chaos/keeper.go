package chaos

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/debriefhq/debrief/devstack"
)

// restartAfter is how long a keeper leaves a program down that ended by itself, as
// supervisors do.
const restartAfter = 500 * time.Millisecond

// keeper keeps a program running, whatever ends it: what systemd or Kubernetes is
// elsewhere.
type keeper struct {
	*devstack.Instance

	stopping chan struct{}
	once     sync.Once
	done     chan struct{}

	mu     sync.Mutex
	down   time.Duration // how long it stays down when it ends next
	killed bool
	// byItself counts how often it ended though nobody killed it.
	byItself int
}

func newKeeper(i *devstack.Instance) *keeper {
	k := &keeper{Instance: i, stopping: make(chan struct{}), done: make(chan struct{})}
	go k.keep()
	return k
}

func (k *keeper) keep() {
	defer close(k.done)
	for {
		p := k.Process()
		select {
		case <-k.stopping:
			return
		case <-p.Exited():
		}
		k.mu.Lock()
		down := k.down
		if !k.killed {
			down = restartAfter
			k.byItself++
		}
		k.killed = false
		k.mu.Unlock()
		select {
		case <-k.stopping:
			return
		case <-time.After(down):
		}
		for k.Launch() != nil {
			select {
			case <-k.stopping:
				return
			case <-time.After(restartAfter):
			}
		}
	}
}

// kill kills the program (SIGKILL), leaves it down for a while, and says whether it
// was up.
func (k *keeper) kill(down time.Duration) (bool, error) {
	p := k.Process()
	select {
	case <-p.Exited():
		return false, nil
	default:
	}
	k.mu.Lock()
	k.down, k.killed = down, true
	k.mu.Unlock()
	return true, p.Kill()
}

// pause stops the program from running (SIGSTOP) for a while. What is killed meanwhile
// is not woken.
func (k *keeper) pause(ctx context.Context, long time.Duration) error {
	p := k.Process()
	if err := syscall.Kill(p.Pid(), syscall.SIGSTOP); err != nil {
		return nil //nolint:nilerr // it has just ended
	}
	select {
	case <-ctx.Done():
	case <-p.Exited():
		return nil
	case <-time.After(long):
	}
	return syscall.Kill(p.Pid(), syscall.SIGCONT)
}

// ended is how often it ended by itself.
func (k *keeper) ended() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byItself
}

// stop stops keeping; the program runs on.
func (k *keeper) stop() {
	k.once.Do(func() { close(k.stopping) })
	<-k.done
}
