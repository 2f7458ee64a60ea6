use std::ptr::from_mut;

use candle_core::{
    CudaDevice, Result,
    cuda::{
        WrapErr,
        cudarc::driver::{result, sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD},
    },
};

/// Removes two fixed costs of small operations. The device must use a single stream and have no tensors yet.
pub(super) fn reduce_costs(device: &CudaDevice) -> Result<()> {
    #[expect(unsafe_code, reason = "without event tracking, candle no longer orders work across streams")]
    // SAFETY: all tensors of the device are used on its single stream, which executes operations in order.
    unsafe {
        // With event tracking, each allocation creates two events.
        device.disable_event_tracking();
    }
    let stream = device.cuda_stream();
    let context = stream.context();
    if !context.has_async_alloc() {
        return Ok(());
    }
    // By default, freed memory returns to the system whenever a number is read back from the device.
    let mut kept_bytes = u64::MAX;
    #[expect(unsafe_code, reason = "calls the driver's C API")]
    // SAFETY: the device belongs to an open context; its default pool lives as long as the device; the attribute is
    // a u64.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device()).w()?;
        let threshold = from_mut(&mut kept_bytes).cast();
        result::mem_pool::set_attribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, threshold).w()
    }
}
