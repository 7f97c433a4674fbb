#include "emu/arch/x86_64/fiber_unsafe.h"

#include <boost/context/detail/fcontext.hpp>

#include "detent/assert.h"

namespace detent::arch {

namespace context = boost::context::detail;

namespace {

// What travels with a switch: where to note the context that was left, and who runs.
struct Handover {
  void** left_context;
  Fiber* to;
};

void note_left(context::transfer_t transfer) {
  *static_cast<Handover*>(transfer.data)->left_context = transfer.fctx;
}

}  // namespace

Fiber::Fiber(void* stack_top, std::size_t size, void (*entry)(void*), void* argument)
    : entry_(entry), argument_(argument) {
  context_ = context::make_fcontext(stack_top, size, [](context::transfer_t transfer) {
    note_left(transfer);
    Fiber* self = static_cast<Handover*>(transfer.data)->to;
    self->entry_(self->argument_);
    DETENT_ASSERT(false && "a fiber's entry returned");
  });
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
  Handover handover{&from.context_, &to};
  note_left(context::jump_fcontext(to.context_, &handover));
}

}  // namespace detent::arch
